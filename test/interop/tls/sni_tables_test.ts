// tls_server_sni_maps with each type of table, made once for the real Postfix and for ours: which certificate a client gets by its name.
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { startSocketmap, startTcpTable, type TablePeer } from "../../kit/servers/table_peers.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "postfix",
  "postfix-cdb",
  "postfix-lmdb",
  "postfix-pcre",
  "postfix-sqlite",
  "openssl",
  "root",
  "dist/mta",
);

const folder = mkdtempSync(join(tmpdir(), "sni-tables-"));
chmodSync(folder, 0o755);
const at = (name: string) => join(folder, name);
const INDEXED = ["hash", "btree", "cdb", "lmdb"];

/** What tls_server_sni_maps is. */
const TABLES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(INDEXED.map((type) => [type, `${type}:${at(type)}`])),
  texthash: `texthash:${at("texthash")}`,
  inline: `inline:{{other.example.com=${at("other.pem")}}}`,
  regexp: `regexp:${at("regexp")}`,
  pcre: `pcre:${at("regexp")}`,
  "inline pcre": `pcre:{{/^other\\.example\\.com/ ${at("other.pem")}}}`,
  cidr: `cidr:${at("cidr")}`,
  static: `static:${at("other.pem")}`,
  randmap: `randmap:{${at("other.pem")}}`,
  "unionmap of one": `unionmap:{texthash:${at("texthash")}}`,
  "unionmap of two": `unionmap:{texthash:${at("texthash")},inline:{elsewhere.example.com=${at("wide.pem")}}}`,
  pipemap: `pipemap:{inline:{other.example.com=x},inline:{x=${at("other.pem")}}}`,
  sqlite: `sqlite:${at("sqlite.cf")}`,
  socketmap: "socketmap:inet:127.0.0.1:SOCKETMAP:sni",
  tcp: "tcp:127.0.0.1:TCP",
  "two tables": `inline:{elsewhere.example.com=${at("wide.pem")}}, texthash:${at("texthash")}`,
  "a domain's": `inline:{{.example.com=${at("wide.pem")}},{nobody.example.com=${at("other.pem")}}}`,
  "several files": `inline:{{other.example.com=${at("other.key")}, ${at("other.crt")}}}`,
  "no such file": `inline:{{other.example.com=${at("nothing.pem")}}}`,
  "not base64": `sqlite:${at("bad.cf")}`,
};
const names = Object.keys(TABLES);

/** What ours says otherwise: a file that is missing spoils its own entry alone, and a chain of tables ends in a file. */
const OTHERWISE: Readonly<Record<string, string[]>> = {
  pipemap: ["other.example.com", "mail.example.com"],
  "no such file": ["none", "mail.example.com"],
};

interface Side {
  readonly ports: readonly number[];
  log(): string;
  stop(): unknown;
}

let postfix: Side;
let ours: Side;
let made: Side;
let peers: readonly TablePeer[];

beforeAll(async () => {
  const [own, other, wide] = ["mail", "other", "wide"].map((name) => selfSigned(`${name}.example.com`));
  const chain = other!.key + other!.certificate;
  for (
    const [name, text] of Object.entries({
      "own.pem": own!.key + own!.certificate,
      "other.pem": chain,
      "other.key": other!.key,
      "other.crt": other!.certificate,
      "wide.pem": wide!.key + wide!.certificate,
      regexp: `/^other\\.example\\.com$/ ${at("other.pem")}\n`,
      cidr: `127.0.0.0/8 ${at("other.pem")}\n`,
      texthash: `other.example.com ${at("other.pem")}\n`,
      "sqlite.cf": `dbpath = ${at("db")}\nquery = SELECT value FROM chains WHERE name = '%s'\n`,
      "bad.cf": `dbpath = ${at("db")}\nquery = SELECT 'never base64!' WHERE 'other.example.com' = '%s'\n`,
    })
  ) writeFileSync(at(name), text, { mode: name.endsWith(".pem") || name.endsWith(".key") ? 0o600 : 0o644 });
  const base64 = Buffer.from(chain).toString("base64");
  const database = new Database(at("db"));
  database.run("CREATE TABLE chains (name, value)");
  database.run("INSERT INTO chains VALUES ('other.example.com', ?)", [base64]);
  database.close();
  peers = [
    await startSocketmap((_, key) => key === "other.example.com" ? `OK ${base64}` : "NOTFOUND "),
    await startTcpTable((question) =>
      question === "get other.example.com" ? `200 ${base64}\n` : "500 absent\n"
    ),
  ];
  for (const type of INDEXED) {
    writeFileSync(at(type), `other.example.com ${at("other.pem")}\n`);
    expect(Bun.spawnSync(["/usr/sbin/postmap", "-F", `${type}:${at(type)}`]).success).toBe(true);
  }
  [postfix, ours] = [await startReal(), await startOurs(names)];
  // The same from our own postmap.
  for (const type of INDEXED) {
    expect((await runMta(["postmap", "-F", `${type}:${at(type)}`])).code).toBe(0);
  }
  made = await startOurs(INDEXED);
}, 120_000);

afterAll(async () => {
  for (const side of [postfix, ours, made]) await side?.stop();
  for (const peer of peers ?? []) await peer.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function services(ports: readonly number[], which: readonly string[]): string {
  return which.map((name, i) => {
    const maps = TABLES[name]!.replace("SOCKETMAP", String(peers[0]!.port)).replace(
      "TCP",
      String(peers[1]!.port),
    );
    return `127.0.0.1:${
      ports[i]
    } inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes -o syslog_name=case${i}\n` +
      `  -o smtpd_tls_chain_files=${at("own.pem")}\n  -o {tls_server_sni_maps = ${maps}}\n`;
  }).join("");
}

async function startReal(): Promise<Side> {
  const ports = await freePorts(names.length);
  const instance: PostfixInstance = await startPostfix({ main: {}, master: services(ports, names) });
  return { ports, log: () => instance.log(), stop: () => instance.stop() };
}

async function startOurs(which: readonly string[]): Promise<Side> {
  const ports = await freePorts(which.length);
  const server: Server = await startServer({ mainCf: [], masterCf: [services(ports, which)] });
  return { ports, log: () => server.log(), stop: () => server.stop() };
}

/** The name on the certificate that somebody gets who asks for a name; `none` when the handshake fails. */
function shown(port: number, servername: string): Promise<string> {
  return new Promise((resolve) => {
    const client = tls.connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
    client.on("secureConnect", () => {
      resolve(String(client.getPeerCertificate().subject.CN));
      client.destroy();
    }).on("error", () => resolve("none")).on("close", () => resolve("none"));
  });
}

const ASKED = ["other.example.com", "elsewhere.example.net"];
const heard = ({ ports }: Side, at: number) => Promise.all(ASKED.map((name) => shown(ports[at]!, name)));

test.each(names)("whoever asks for a name gets the certificate that %s says, as at Postfix", async (name) => {
  const at = names.indexOf(name);
  const theirs = await heard(postfix, at);
  expect(await heard(ours, at)).toEqual(OTHERWISE[name] ?? theirs);
}, 60_000);

test.each(INDEXED)("a table of type %s that mta postmap -F made says the same", async (type) => {
  expect(await heard(made, INDEXED.indexOf(type))).toEqual(["other.example.com", "mail.example.com"]);
}, 60_000);
