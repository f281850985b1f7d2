// A certificate by ACME, from nothing to a handshake, with a real authority (pebble): proven, issued, renewed, and what a failure says.
import { expect, setDefaultTimeout } from "bun:test";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import path from "node:path";
import { userNamed } from "../../kit/servers/accounts.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Pebble, startPebble } from "../../kit/servers/pebble.ts";
import { freePort, mailOwner, type Server, startServer } from "../../kit/server.ts";
import { startTls } from "../../kit/start_tls.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(240_000);
const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "root",
  "openssl",
  "pebble",
  "procps",
);

/** Renewal is due after two thirds of it. */
const SECONDS = 30;
let pebble: Pebble;
let server: Server;
let stranger: HttpServer;
let http = 0;
const said: string[] = [];

const main = (...more: readonly string[]) => [
  `http_listen = 127.0.0.1:${http}`,
  "smtpd_tls_security_level = may",
  `acme_directory = ${pebble.directory}`,
  `acme_ca_file = ${pebble.caFile}`,
  `acme_http_listen = 127.0.0.1:${pebble.httpPort}`,
  "acme_email = postmaster@example.com",
  "acme_agree_to_terms = yes",
  "acme_domains = mail.example.com, mx.example.com",
  ...more,
];

const folder = () => path.join(server.directory, "data/acme");
const certificate = () => fs.readFileSync(path.join(folder(), "certificate.pem"), "utf8");

async function acme(...args: string[]) {
  const { code, stdout, stderr } = await server.mta("acme", ...args);
  said.push(stdout, stderr);
  return { code, text: stdout + stderr };
}

async function reloaded(...more: readonly string[]): Promise<void> {
  server.writeMainCf(main(...more));
  expect((await server.mta("reload")).code).toBe(0);
}

beforeAll(async () => {
  pebble = await startPebble(SECONDS);
  for (const name of ["mail.example.com", "mx.example.com"]) await pebble.point(name, "127.0.0.1");
  await pebble.point("elsewhere.example.com", "127.0.0.9");
  await pebble.point("shut.example.com", "127.0.0.8");
  stranger = createServer((_, response) => void response.end("Welcome to another server"));
  await new Promise<void>((done) => stranger.listen(pebble.httpPort, "127.0.0.9", done));
  http = await freePort();
  server = await startServer({ mainCf: main() });
});
afterAll(async () => {
  await server?.stop();
  stranger?.close();
  pebble?.stop();
});

test("from nothing to a handshake: the certificate is ordered, proven by HTTP and served", async () => {
  await server.logged(/acme: certificate for mail\.example\.com, mx\.example\.com issued, good for/);
  const ca = await pebble.root();
  await until("the certificate", async () => typeof await startTls(server.port, { ca }) !== "string");
  expect(await startTls(server.port, { ca })).toEqual({
    name: "mail.example.com",
    protocol: "TLSv1.3",
    trouble: undefined,
  });
});

test("it is renewed by itself with a third of its life left, and connections get the new one", async () => {
  const first = certificate();
  await until("a renewal", () => certificate() !== first);
  const ca = await pebble.root();
  const left = new Set<string>();
  await until("the renewed certificate is told", () => {
    for (const line of server.log().split("\n")) if (line.includes("new certificate for")) left.add(line);
    return left.size >= 2;
  });
  expect(await startTls(server.port, { ca })).toMatchObject({ trouble: undefined });
});

test("mta acme says how it stands, and orders when it is told to", async () => {
  const good =
    /^names: {4}mail\.example\.com mx\.example\.com\nstate: {4}there is a good certificate\nexpires: {2}.* UTC\nrenewal: {2}.* UTC\n$/;
  // It may be renewing at this moment.
  await until("the status", async () => {
    const { code, text } = await acme("status");
    return code === 0 && good.test(text);
  });
  const before = certificate();
  await until("a renewal", async () => {
    const { code, text } = await acme("renew", "--json");
    return code === 0 && JSON.parse(text).state === "good";
  });
  expect(certificate()).not.toBe(before);
});

test("what is kept is mail_owner's alone, and so is the process that keeps it", () => {
  const { uid } = userNamed(mailOwner());
  const modes = fs.readdirSync(folder()).map((name) => {
    const { mode, uid: owner } = fs.statSync(path.join(folder(), name));
    return [name.replace(/^account-.*\.pem$/, "account"), (mode & 0o7777).toString(8), owner];
  });
  expect(modes.sort()).toEqual([
    ["account", "600", uid],
    ["certificate.pem", "600", uid],
    ["lock", "600", uid],
    ["state.json", "600", uid],
  ]);
  expect(fs.statSync(folder()).mode & 0o7777).toBe(0o700);
  const children = execFileSync("ps", ["--ppid", String(server.pid), "-o", "uid=,args="], {
    encoding: "utf8",
  });
  const [own] = children.split("\n").filter((line) => line.includes("mta: acme"));
  expect(Number(own?.trim().split(/\s+/)[0])).toBe(uid);
});

test(
  "a name that leads to a port that is shut, to another server, or nowhere: what to change, and no new try at once",
  async () => {
    const rows = [
      ["shut.example.com", /the authority cannot connect to port 80 of shut\.example\.com: open port 80/],
      ["elsewhere.example.com", /another server answers at port 80 of elsewhere\.example\.com/],
      ["nowhere.example.com", /nowhere\.example\.com/],
    ] as const;
    for (const [name, advice] of rows) {
      await reloaded(`acme_domains = ${name}`);
      const line = await server.logged(
        new RegExp(`acme: no certificate for ${name.replaceAll(".", "\\.")}: `),
      );
      expect(line).toMatch(advice);
      expect(line).toMatch(/; it is tried again at 20\d\d-\d\d-\d\d \d\d:\d\d UTC$/);
      const status = await acme("status");
      expect([status.code, status.text]).toEqual([
        1,
        expect.stringMatching(/state: {4}the last order has failed\n(?:.*\n)?again at: /),
      ]);
      const ready = await (await fetch(`http://127.0.0.1:${http}/readyz`)).text();
      said.push(ready);
      expect(ready).toContain(`ACME: no certificate for ${name}`);
    }
    // A reload does not ask again what has failed a moment ago.
    const count = () => server.log().split("no certificate for nowhere").length;
    const before = count();
    await reloaded("acme_domains = nowhere.example.com", "acme_email = other@example.com");
    await until("the state is known", async () => (await acme("status")).text.includes("again at"));
    expect(count()).toBe(before);
  },
  240_000,
);

test("the proof is answered by http_listen, too, as behind a proxy", async () => {
  await pebble.point("behind.example.com", "127.0.0.1");
  const proxied = main(
    "acme_domains = behind.example.com",
    "acme_http_listen =",
    `http_listen = 127.0.0.1:${pebble.httpPort}`,
  );
  server.writeMainCf(proxied);
  expect((await server.mta("reload")).code).toBe(0);
  // The order may have come before the listener.
  await until("the certificate", async () => (await acme("renew")).code === 0);
  await reloaded();
});

test("the names are proven by TLS where acme_tls_listen is set", async () => {
  await pebble.point("tls.example.com", "127.0.0.1");
  await reloaded(
    "acme_domains = tls.example.com",
    "acme_http_listen =",
    `acme_tls_listen = 127.0.0.1:${pebble.tlsPort}`,
  );
  await server.logged(/acme: certificate for tls\.example\.com issued/);
  const ca = await pebble.root();
  const shown = async () => await startTls(server.port, { ca });
  await until("the certificate", async () => JSON.stringify(await shown()).includes("tls.example.com"));
  await reloaded("acme_domains = shut.example.com", `acme_tls_listen = 127.0.0.1:${pebble.tlsPort}`);
  await server.logged(/acme: no certificate for shut.*at port 443 of shut\.example\.com/);
});

test("without leave to accept the terms there is no account, and the log says where they are", async () => {
  await reloaded("acme_agree_to_terms = no", `acme_directory = ${pebble.directory}?another`);
  const line = await server.logged(/wants its terms to be accepted/);
  expect(line).toMatch(/read (?:data:|https:)\S+, and set acme_agree_to_terms = yes/);
});

test("no key, and no proof, is in the log or in what is answered", () => {
  const keys = fs.readdirSync(folder()).filter((name) => name.endsWith(".pem"))
    .map((name) => fs.readFileSync(path.join(folder(), name), "utf8"));
  const secrets = keys.flatMap((text) =>
    /-----BEGIN PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1]?.split(/\s+/) ?? []
  )
    .filter((line) => line.length > 20);
  expect(secrets.length).toBeGreaterThan(2);
  const all = [...said, server.log()].join("\n");
  expect(secrets.filter((line) => all.includes(line))).toEqual([]);
  expect(all).not.toContain("PRIVATE KEY");
});
