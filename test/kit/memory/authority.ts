// Authorities and what they sign, made by openssl(1).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SelfSigned } from "./self_signed.ts";

/** What a certificate is to say. */
export interface Wanted {
  /** Common name. */
  readonly name: string;
  /** subjectAltName, as openssl(1) has it: `DNS:mail.example.com,IP:127.0.0.1`; "" for none, DNS:name when left out. */
  readonly names?: string;
  /** extendedKeyUsage. */
  readonly purpose?: "serverAuth" | "clientAuth";
  readonly algorithm?: "ecdsa" | "rsa";
  /** Was good for the year 2020 only. */
  readonly expired?: true;
  /** May sign others itself. */
  readonly authority?: true;
}

/** Signs. */
export interface TestAuthority extends SelfSigned {
  issue(wanted: Wanted): SelfSigned;
}

const KEYS = {
  rsa: ["-newkey", "rsa:2048"],
  ecdsa: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
} as const;

const CONFIGURATION = `[ca]
default_ca = d
[d]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = p
unique_subject = no
[p]
commonName = supplied
`;

function openssl(folder: string, ...args: readonly string[]): void {
  const made = Bun.spawnSync(["openssl", ...args], { cwd: folder, stdout: "ignore", stderr: "pipe" });
  if (!made.success) throw new Error(`openssl ${args.join(" ")}: ${made.stderr}`);
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "authority-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const read = (folder: string) => ({
  certificate: readFileSync(join(folder, "cert"), "utf8"),
  key: readFileSync(join(folder, "key"), "utf8"),
});

/** An authority that has signed itself. */
export function selfMadeAuthority(name: string): TestAuthority {
  return asAuthority(inFolder((folder) => {
    openssl(
      folder,
      ...["req", "-x509", "-nodes", "-days", "30", ...KEYS.ecdsa, "-subj", `/CN=${name}`],
      ...["-keyout", "key", "-out", "cert"],
    );
    return read(folder);
  }));
}

/** One whose certificate another has signed. */
export function authorityUnder(authority: TestAuthority, name: string): TestAuthority {
  return asAuthority(authority.issue({ name, names: "", authority: true }));
}

/** Signs with a certificate, whether it may or not. */
export function asAuthority(own: SelfSigned): TestAuthority {
  return { ...own, issue: (wanted) => inFolder((folder) => issued(folder, own, wanted)) };
}

function issued(folder: string, signer: SelfSigned, wanted: Wanted): SelfSigned {
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write("signer.cert", signer.certificate);
  write("signer.key", signer.key);
  write("index", "");
  write("serial", `${crypto.getRandomValues(Buffer.alloc(8)).toString("hex").replace(/^[89a-f0]/, "1")}\n`);
  write("conf", CONFIGURATION);
  write("extensions", extensionsOf(wanted));
  openssl(
    folder,
    ...["req", "-new", "-nodes", ...KEYS[wanted.algorithm ?? "ecdsa"], "-subj", `/CN=${wanted.name}`],
    ...["-keyout", "key", "-out", "request"],
  );
  const dates = wanted.expired
    ? ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
    : ["-days", "20"];
  openssl(
    folder,
    ...["ca", "-batch", "-notext", "-config", "conf", "-cert", "signer.cert", "-keyfile", "signer.key"],
    ...["-in", "request", "-out", "cert", "-extfile", "extensions", ...dates],
  );
  return read(folder);
}

function extensionsOf({ name, names, purpose, authority }: Wanted): string {
  const alternatives = names ?? `DNS:${name}`;
  return [
    authority
      ? "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign"
      : "basicConstraints=CA:FALSE",
    purpose === undefined ? "" : `extendedKeyUsage=${purpose}`,
    alternatives === "" ? "" : `subjectAltName=${alternatives}`,
  ].join("\n");
}
