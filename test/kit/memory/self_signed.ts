// Certificates that have signed themselves, made by openssl(1).
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, PEM text. */
export interface SelfSigned {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHMS = {
  rsa: ["-newkey", "rsa:2048"],
  ecdsa: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
  "ecdsa-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
  ed25519: ["-newkey", "ed25519"],
} as const;

/** A fresh one for a host name. */
export function selfSigned(name: string, algorithm: keyof typeof ALGORITHMS = "ecdsa"): SelfSigned {
  const folder = mkdtempSync(join(tmpdir(), "self-signed-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const files = ["-keyout", key, "-out", certificate];
  try {
    const made = Bun.spawnSync(
      ["openssl", "req", "-x509", "-nodes", "-days", "2", ...ALGORITHMS[algorithm], ...subject, ...files],
      { stdout: "ignore", stderr: "pipe" },
    );
    if (!made.success) throw new Error(made.stderr.toString());
    return { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate, "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
