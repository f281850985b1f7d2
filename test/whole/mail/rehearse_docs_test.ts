// The runs of docs/doctor.md are made again with the compiled binary and compared. UPDATE_DOCS=1 writes what they print into the page.
import { expect, setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { runMta } from "../../kit/server.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";

setDefaultTimeout(120_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "libfaketime");

const PAGE = join(import.meta.dirname, "../../../docs/doctor.md");
const FENCE = /^```\n([^]*?)^```\n/gm;
const ZONE: Zone = {
  "example.com": { MX: ["10 mail.example.com"] },
  "mail.example.com": { A: ["203.0.113.5"] },
  "5.113.0.203.in-addr.arpa": {},
  "example.net": { MX: ["10 mail.example.com"], TXT: ["v=spf1 ip4:203.0.113.5 -all"] },
  "_dmarc.example.net": { TXT: ["v=DMARC1; p=none; rua=mailto:postmaster@example.net"] },
};

let dns: DnsServer;
let folder = "";
beforeAll(async () => {
  dns = await startDnsServer(ZONE);
  folder = mkdtempSync(join(tmpdir(), "doctor-docs-"));
  for (const name of ["queue", "data"]) mkdirSync(join(folder, name));
});
afterAll(async () => {
  await dns.close();
  rmSync(folder, { recursive: true });
});

const here = (text: string) => text.replaceAll("/etc/mta", folder);

/** What the page leaves out: where this configuration lies, whom it asks, and a key of one of the domains. */
const unsaid = () =>
  [
    `dns_servers = ${dns.address}`,
    "alias_maps =",
    "alias_database =",
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `dkim_signing_keys = inline:{ {example.net = mta202611:${folder}/mta202611.example.net.pem} }`,
    "",
  ].join("\n");

async function run(command: string): Promise<string> {
  const words = here(command).split(" ").slice(1);
  const now = { LD_PRELOAD: FAKETIME, FAKETIME: "@2026-11-30 19:04:00", TZ: "UTC" };
  const { stdout } = await runMta(["-c", folder, ...words], { env: now });
  return stdout.replaceAll(folder, "/etc/mta");
}

const FAKETIME = `/usr/lib/${
  process.arch === "arm64" ? "aarch64" : "x86_64"
}-linux-gnu/faketime/libfaketimeMT.so.1`;

async function played(page: string): Promise<string> {
  let out = "";
  let from = 0;
  for (const match of page.matchAll(FENCE)) {
    const [whole, body = ""] = match;
    const file = /^# (\/etc\/mta\/(\S+))\n/.exec(body);
    const command = /^\$ (mta rehearse .*)\n/.exec(body)?.[1];
    if (file !== null) {
      const text = body.slice(file[0].length);
      writeFileSync(join(folder, file[2]!), file[2] === "main.cf" ? text + unsaid() : text);
    }
    out += page.slice(from, match.index);
    out += command === undefined ? whole : `\`\`\`\n$ ${command}\n${await run(command)}\`\`\`\n`;
    from = match.index + whole.length;
  }
  return out + page.slice(from);
}

test("docs/doctor.md shows what mta rehearse prints", async () => {
  const page = readFileSync(PAGE, "utf8");
  const [record] = (await runMta(["dkim", "record", join(folder, "key.pem")])).stdout.match(/v=DKIM1[^"]*/) ??
    [];
  dns.setZone({ ...ZONE, "mta202611._domainkey.example.net": { TXT: [record ?? "none"] } });
  const fresh = await played(page);
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(PAGE, fresh);
  else expect(page).toBe(fresh);
  expect(fresh.match(/^\$ mta rehearse/gm)!.length).toBe(3);
});
