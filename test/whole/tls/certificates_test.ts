// Keys and certificates of a running server: lent where only root may read them, renewed under it, broken, and never told.
import { expect, setDefaultTimeout } from "bun:test";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { selfMadeAuthority, type TestAuthority } from "../../kit/memory/authority.ts";
import type { SelfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { startTls } from "../../kit/start_tls.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "root", "openssl");

let authority: TestAuthority;
let folder = "";
let server: Server;
let http = 0;
let renewals = 0;
const secrets: string[] = [];
const said: string[] = [];

/** Puts a pair in place as certbot(1) does: new files in archive/, links in live/, both folders root's alone. */
function renew({ key, certificate }: SelfSigned): void {
  secrets.push(key);
  const version = ++renewals;
  for (const name of ["archive", "live"]) {
    fs.mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
  }
  for (const [name, text] of [["privkey", key], ["fullchain", certificate]] as const) {
    const file = path.join(folder, `archive/${name}${version}.pem`);
    fs.writeFileSync(file, text, { mode: 0o600 });
    const link = path.join(folder, `live/${name}.pem`);
    fs.symlinkSync(`../archive/${name}${version}.pem`, `${link}.new`);
    fs.renameSync(`${link}.new`, link);
  }
}

/** The certificate for a name, a file that root alone may read. */
function putNamed({ key, certificate }: SelfSigned): void {
  secrets.push(key);
  fs.writeFileSync(path.join(folder, "live/named.new"), `${key}${certificate}`, { mode: 0o600 });
  fs.renameSync(path.join(folder, "live/named.new"), path.join(folder, "live/named.pem"));
}

/** An authority in a folder that root alone may enter, named as c_rehash(1) does. */
function putAuthority(certificate: string): void {
  fs.mkdirSync(path.join(folder, "authorities"), { mode: 0o700 });
  const file = path.join(folder, "authorities/root.pem");
  fs.writeFileSync(file, certificate, { mode: 0o600 });
  const hash = execFileSync("openssl", ["x509", "-hash", "-noout", "-in", file], { encoding: "utf8" }).trim();
  fs.symlinkSync("root.pem", path.join(folder, `authorities/${hash}.0`));
}

const issue = (name: string) => authority.issue({ name });
const readyz = async () => await (await fetch(`http://127.0.0.1:${http}/readyz`)).text();
const metrics = async () => await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();

async function shown(): Promise<string> {
  const found = await startTls(server.port, { ca: authority.certificate });
  return typeof found === "string"
    ? found
    : `${found.name}${found.trouble === undefined ? "" : ` ${found.trouble}`}`;
}

/** Waits until every worker shows it: each looks for itself. */
function untilShown(name: string): Promise<void> {
  return until(name, async () => {
    for (let n = 0; n < 10; n++) if (await shown() !== name) return false;
    return true;
  });
}

beforeAll(async () => {
  authority = selfMadeAuthority("Test Root");
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "letsencrypt-"));
  fs.chmodSync(folder, 0o755);
  renew(issue("first.example"));
  putNamed(issue("named.example"));
  putAuthority(authority.certificate);
  fs.writeFileSync(path.join(folder, "sni"), `named.example ${folder}/live/named.pem\n`, { mode: 0o600 });
  http = await freePort();
  server = await startServer({
    mainCf: [
      `http_listen = 127.0.0.1:${http}`,
      "smtpd_tls_security_level = may",
      `smtpd_tls_key_file = ${folder}/live/privkey.pem`,
      `smtpd_tls_cert_file = ${folder}/live/fullchain.pem`,
      "worker_processes = 2",
      "smtpd_tls_ask_ccert = yes",
      "smtpd_tls_loglevel = 1",
      `smtpd_tls_CApath = ${folder}/authorities`,
      `tls_server_sni_maps = texthash:${folder}/sni`,
    ],
  });
});
afterAll(async () => {
  await server?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

test("a key that only root may read is served by workers who are not root", async () => {
  expect(await shown()).toBe("first.example");
});

test("authorities in a folder that only root may enter vouch for a client's certificate", async () => {
  const own = authority.issue({ name: "client.example", purpose: "clientAuth" });
  secrets.push(own.key);
  await startTls(server.port, { ca: authority.certificate, own });
  await server.logged(/Trusted TLS connection established from localhost\[127\.0\.0\.1\]/);
});

test("a renewed pair is served without reload, and connections go on", async () => {
  renew(issue("second.example"));
  await untilShown("second.example");
  await server.logged(/fullchain\.pem: new certificate for 127\.0\.0\.1:\d+\/inet, good for/);
  expect(server.log()).not.toContain("restarting the workers");
});

test("a pair that does not fit leaves the old one, is told once and noted in /readyz, until it fits", async () => {
  const [key, certificate] = [issue("third.example"), issue("third.example")];
  renew({ key: key.key, certificate: certificate.certificate });
  const line = await server.logged(/new connections get the certificate of before/);
  expect(line).toContain(
    `smtpd_tls_key_file: ${folder}/live/privkey.pem: this key does not belong to the certificate in ${folder}/live/fullchain.pem`,
  );
  for (let n = 0; n < 20; n++) expect(await shown()).toBe("second.example");
  expect(await readyz()).toContain("the certificate of before is served");
  said.push(await readyz());
  expect(server.log().match(/certificate of before/g)).toHaveLength(1);
  // Workers that are started meanwhile, after a crash or for a reload, have it too.
  for (const { pid } of JSON.parse((await server.mta("status", "--json")).stdout).workers) {
    process.kill(pid, "SIGKILL");
  }
  await until("workers", async () => !(await readyz()).includes("not ready"));
  for (let n = 0; n < 20; n++) expect(await shown()).toBe("second.example");
  expect((await server.mta("reload")).code).toBe(0);
  for (let n = 0; n < 20; n++) expect(await shown()).toBe("second.example");
  renew(key);
  await untilShown("third.example");
  await until("no more note", async () => !(await readyz()).includes("certificate of before"));
});

test("a certificate for a name (SNI) that only root may read is served, and renewed, too", async () => {
  const named = async (name: string) => {
    const found = await startTls(server.port, { ca: authority.certificate, serverName: name });
    return typeof found === "string" ? found : found.name;
  };
  expect([await named("named.example"), await named("other.example")]).toEqual([
    "named.example",
    "third.example",
  ]);
  putNamed(issue("renamed.example"));
  await until("the renewed certificate", async () => await named("named.example") === "renamed.example");
});

test("the end of the certificate is a metric, and told as it comes near", async () => {
  const text = await metrics();
  said.push(text);
  const line = text.split("\n").find((each) =>
    each.startsWith("mta_tls_certificate_expiry_timestamp_seconds{")
  );
  expect(line).toMatch(/\{file=".*\/live\/fullchain\.pem",service="127\.0\.0\.1:\d+\/inet"\} \d{10}$/);
});

test("mta check says what is wrong with the pair, and what others will say of it", async () => {
  const check = async () => {
    const { stdout, stderr } = await server.mta("check", "-v");
    said.push(stdout, stderr);
    return stdout + stderr;
  };
  expect(await check()).toContain("the certificate is for third.example, not for mail.example.com");
  fs.writeFileSync(path.join(folder, "live/fullchain.pem"), "nothing");
  expect(await check()).toMatch(
    /main\.cf, line \d+: cannot get RSA certificate from file ".*fullchain\.pem": disabling TLS support: .*there is no certificate in it/,
  );
});

test("no line of a key is in the log, the metrics, /readyz or what check says", async () => {
  said.push(server.log(), await readyz(), await metrics());
  const all = said.join("\n");
  const lines = secrets.flatMap((key) => key.split("\n")).filter((line) =>
    line.length > 20 && !line.startsWith("-----")
  );
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.filter((line) => all.includes(line))).toEqual([]);
  expect(all).not.toContain("PRIVATE KEY");
});
