// The client's policies of TLS with all kinds of servers, each cell beside the real Postfix: outcome, status text, log lines.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../kit/peers.ts";
import { cellNames, makeTlsWorld, startCells, type TlsCell } from "../kit/scenes/tls_cells.ts";
import { freePort, startServer } from "../kit/server.ts";
import { startPostfix } from "../kit/servers/postfix.ts";
import { reachable } from "../kit/servers/reachable.ts";
import { talk } from "../kit/talk.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "openssl",
  "dist/mta",
  "root",
);

/** What a cell came to in one of the two: the delivery's line, then all others that name the server. */
type Came = Readonly<Record<string, readonly string[]>>;

const domain = (index: number) => `d${index}.example.net`;
const stops: (() => unknown)[] = [];
let came: readonly [postfix: Came, ours: Came];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "tls-cells-"));
  chmodSync(folder, 0o755);
  stops.push(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string) => (writeFileSync(join(folder, name), text), join(folder, name));
  const world = makeTlsWorld();
  const cells = await startCells(world, file);
  stops.push(...cells.map(({ close }) => close));
  const main = {
    transport_maps: `texthash:${
      file("transport", cells.map(({ port }, i) => `${domain(i)} smtp:[localhost]:${port}\n`).join(""))
    }`,
    smtp_tls_policy_maps: `texthash:${
      file("policy", cells.map(({ port, policy }) => `[localhost]:${port} ${policy}\n`).join(""))
    }`,
    smtp_tls_CAfile: file("ca.pem", world.root.certificate),
    smtp_tls_loglevel: "1",
    smtp_tls_note_starttls_offer: "yes",
    smtp_host_lookup: "native",
    smtp_helo_timeout: "30s",
    smtp_connection_cache_on_demand: "no",
    smtpd_relay_restrictions: "permit_mynetworks, reject",
    default_process_limit: "20",
    notify_classes: "",
  };
  came = await Promise.all([overPostfix(main, cells), overOurs(main, cells)]);
}, 180_000);
afterAll(async () => {
  for (const stop of stops) await stop();
});

async function overPostfix(main: Readonly<Record<string, string>>, cells: readonly TlsCell[]): Promise<Came> {
  const port = await freePort();
  const master = `127.0.0.1:${port} inet n - n - - smtpd\ntlsmgr unix - - n 1000? 1 tlsmgr\n`;
  const postfix = startPostfix({ main, master });
  stops.push(() => postfix.stop());
  await reachable(port);
  await sendToAll(port, cells.length);
  for (const [i] of cells.entries()) await postfix.waitForLog(statusLine(i), 120_000);
  return sorted(postfix.log().replace(/^.*? postfix\/(\w+)\[\d+\]: /gm, "$1: "), cells);
}

async function overOurs(main: Readonly<Record<string, string>>, cells: readonly TlsCell[]): Promise<Came> {
  const server = await startServer({
    mainCf: Object.entries(main).map(([name, value]) => `${name} = ${value}`),
  });
  stops.push(() => server.stop());
  await sendToAll(server.port, cells.length);
  for (const [i] of cells.entries()) await server.logged(statusLine(i), 120_000);
  return sorted(server.log().replace(/^.*? postfix\/(\w+)\[\d+\]: /gm, "$1: "), cells);
}

const statusLine = (index: number) => new RegExp(`to=<a@${domain(index)}>.*status=.*`);

/** One message, with a recipient for each cell. */
async function sendToAll(port: number, count: number): Promise<void> {
  const session = await talk(port);
  const say = async (line: string, code: string) => {
    const reply = await session.say(line);
    if (!reply.startsWith(code)) throw new Error(`${line}: ${reply}`);
  };
  await say("EHLO client.example.org", "250");
  await say("MAIL FROM:<s@example.org>", "250");
  for (let i = 0; i < count; i++) await say(`RCPT TO:<a@${domain(i)}>`, "250");
  await say("DATA", "354");
  await say("Subject: test\r\n\r\nhello\r\n.", "250");
  session.end();
}

function sorted(log: string, cells: readonly TlsCell[]): Came {
  const lines = log.split("\n").filter((line) => line.startsWith("smtp: "));
  return Object.fromEntries(cells.map(({ name, port }, i) => {
    const status = lines.find((line) => statusLine(i).test(line)) ?? "";
    const others = lines.filter((line) => new RegExp(`:${port}\\b`).test(line) && !/to=</.test(line));
    return [name, [plain(status, port), ...others.map((line) => plain(line, port)).sort()]];
  }));
}

/** What the two libraries differ in is left out: the cipher that they agree on with the server, and their words for a failure. */
function plain(line: string, port: number): string {
  return line.replaceAll(String(port), "PORT").replace(/^smtp: [0-9A-F]{6,}: /, "smtp: ID: ")
    .replace(/delay=[\d.]+, delays=[\d./]+/, "DELAYS").replace(/a@d\d+\./, "a@D.")
    .replace(/(TLSv1\.\d) with cipher .*/, "$1 with cipher C");
}

describe("a level and a server come to the same as in Postfix", () => {
  test.each(cellNames())("%s", (name) => {
    const [postfix, ours] = came;
    expect(ours[name]).toEqual(postfix[name]!);
  });
});
