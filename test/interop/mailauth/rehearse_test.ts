// The records that `mta rehearse` names are put into a zone as they are printed: a name server loads them, and all is well then.
import { expect, setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { runMta } from "../../kit/server.ts";
import { startSignedDns } from "../../kit/servers/signed_dns.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "knot",
  "ldns",
  "root",
  "unbound",
);

const RESOLVER = "127.0.0.93";
/** A network of nobody's (RFC 2544) whose reverse names unbound does not keep for itself. */
const [ADDRESS, REVERSE] = ["198.18.0.5", "18.198.in-addr.arpa"];

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mta-rehearse-zone-"));
  for (const name of ["queue", "data"]) mkdirSync(join(folder, name));
});
afterAll(() => rmSync(folder, { recursive: true }));

function configure(signing = ""): void {
  const lines = [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    "mydestination = example.com",
    "inet_protocols = ipv4",
    "inet_interfaces = 127.0.0.1",
    `proxy_interfaces = ${ADDRESS}`,
    "smtp_tls_security_level = dane",
    "smtp_dns_support_level = dnssec",
    "alias_maps =",
    "alias_database =",
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `dns_servers = ${RESOLVER}`,
    signing,
    "",
  ];
  writeFileSync(join(folder, "main.cf"), lines.join("\n"));
}

interface Result {
  readonly severity: string;
  readonly check: string;
  readonly found: string;
  readonly record?: string;
}

async function run(...words: readonly string[]) {
  const { code, stdout } = await runMta(["-c", folder, ...words, "--json"]);
  return { code, results: (JSON.parse(stdout) as { results: readonly Result[] }).results };
}

const bad = (results: readonly Result[]) => results.filter(({ severity }) => severity !== "ok");
const zones = (own: readonly string[], reverse: readonly string[]) => ({
  "example.com": { signing: "right" as const, records: own },
  [REVERSE]: { signing: "unsigned" as const, records: reverse },
});

test("what is printed to be published can be, and nothing is missing then", async () => {
  configure();
  const keys = ["--directory", folder, "--selector"];
  await runMta(["-c", folder, "dkim", "genkey", "example.com", ...keys, "rsa"]);
  await runMta(["-c", folder, "dkim", "genkey", "example.com", "--ed25519", ...keys, "ed"]);
  configure(
    `dkim_signing_keys = inline:{ {example.com = rsa:${folder}/rsa.example.com.pem ed:${folder}/ed.example.com.pem} }`,
  );
  const words = ["rehearse", "ann@example.com", "--ip", ADDRESS];

  const empty = await startSignedDns(RESOLVER, zones([], []));
  const before = await run(...words);
  await empty.stop();
  expect(before.code).toBe(2);
  const records = before.results.flatMap(({ record }) => record === undefined ? [] : [record]);
  expect(bad(before.results).map(({ check }) => check))
    .toEqual(["MX", "PTR", "HELO", "SPF", "DKIM", "DKIM", "DMARC"]);
  expect(records).toHaveLength(7);

  const isReverse = (record: string) => record.includes("in-addr.arpa");
  const own = records.filter((record) => !isReverse(record));
  const mended = await startSignedDns(RESOLVER, zones(own, records.filter(isReverse)));
  const [after, doctor] = [await run(...words), await run("doctor")];
  await mended.stop();
  expect([after.code, bad(after.results)]).toEqual([0, []]);
  const of = (name: string) => doctor.results.find(({ check }) => check === name);
  expect([of("resolver"), of("name")]).toEqual([
    { severity: "ok", check: "resolver", found: `${RESOLVER} answers: EDNS, TCP, DNSSEC` },
    { severity: "ok", check: "name", found: `myhostname = mail.example.com leads to ${ADDRESS} and back` },
  ]);
});
