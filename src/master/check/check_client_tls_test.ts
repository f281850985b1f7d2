import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeUsers } from "../../../test/kit/memory/config_world.ts";
import { selfMadeAuthority } from "../../../test/kit/memory/authority.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { loadConfiguration } from "../../config/load.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import { checkClientTls } from "./check_client_tls.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "check-client-"));
  writeFileSync(join(folder, "ca.pem"), selfMadeAuthority("Root").certificate);
  writeFileSync(join(folder, "empty.pem"), "nothing\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

function findings(...lines: readonly string[]): readonly string[] {
  const main = lines.map((line) => `${line.replace("FOLDER", folder)}\n`).join("");
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: { main, master: "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n", overrides: [] },
    users: fakeUsers,
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkClientTls(loaded.configuration, ownTlsFiles)
    .map(({ severity, text }) => `${severity}: ${text.replaceAll(folder, "FOLDER")}`);
}

const CA = "smtp_tls_CAfile = FOLDER/ca.pem";

test("a client's TLS that works is not spoken of", () => {
  expect(findings()).toEqual([]);
  for (const level of ["none", "may", "encrypt", "dane", "dane-only"]) {
    expect(findings(`smtp_tls_security_level = ${level}`)).toEqual([]);
  }
  expect(findings("smtp_tls_security_level = secure", CA)).toEqual([]);
  expect(findings("smtp_tls_security_level = secure", "smtp_tls_trust_anchor_file = FOLDER/ca.pem")).toEqual(
    [],
  );
});

test("what keeps a client from TLS is found once, with its line, what follows and what to do", () => {
  expect(findings("smtp_tls_security_level = may", "smtp_tls_CAfile = FOLDER/nothing.pem")).toEqual([
    'weaker: /nonexistent/main.cf, line 2: cannot load Certification Authority data, CAfile="FOLDER/nothing.pem": ' +
    "No such file or directory: disabling TLS support; mail goes in the clear",
  ]);
  expect(findings("smtp_tls_security_level = encrypt", "smtp_tls_CAfile = FOLDER/empty.pem")).toEqual([
    'closed: /nonexistent/main.cf, line 2: cannot load Certification Authority data, CAfile="FOLDER/empty.pem": ' +
    "no certificate in FOLDER/empty.pem: disabling TLS support; mail waits",
  ]);
  expect(findings("smtp_tls_wrappermode = yes")).toEqual([
    "closed: /nonexistent/main.cf, line 1: smtp_tls_wrappermode = yes needs smtp_tls_security_level = encrypt, " +
    "or a stronger one: mail waits, but where smtp_tls_policy_maps says so",
  ]);
  expect(findings("smtp_tls_security_level = verify")).toEqual([
    "closed: /nonexistent/main.cf, line 1: smtp_tls_security_level = verify, and no authority is trusted: mail waits; " +
    "name those that count with smtp_tls_CAfile (the system's: /etc/ssl/certs/ca-certificates.crt)",
  ]);
  expect(findings(CA, "smtp_tls_security_level = fingerprint")[0]).toContain(
    "no fingerprints to match.: mail waits",
  );
  expect(findings("smtp_tls_security_level = secure", "smtp_tls_trust_anchor_file = FOLDER/nothing.pem")[0])
    .toContain("error opening trust anchor file: FOLDER/nothing.pem: No such file or directory: mail waits");
});
