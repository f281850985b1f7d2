// Delivers to a list of servers over the real Postfix and over dist/mta, and brings what both say of each into one form.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort, startServer } from "../server.ts";
import { startPostfix } from "../servers/postfix.ts";
import { reachable } from "../servers/reachable.ts";
import { talk } from "../talk.ts";
import { until } from "../waiting.ts";

/** A server, and the transport that leads to it. */
export interface Destination {
  readonly name: string;
  readonly port: number;
  /** `smtp` when left out. */
  readonly transport?: string;
  /** What is waited for: so many delivery lines, or one that says it. 1 when left out. */
  readonly awaits?: number | "sent";
}

/** What a destination came to: the delivery's line, then all others of the client that name the server. */
export type Came = Readonly<Record<string, readonly string[]>>;

/** A folder that everybody may read, removed at the end. */
export interface SharedFolder {
  /** Writes a file; answers its path. */
  file(name: string, text: string): string;
  remove(): void;
}

export function sharedFolder(): SharedFolder {
  const folder = mkdtempSync(join(tmpdir(), "tls-pair-"));
  chmodSync(folder, 0o755);
  return {
    file(name, text) {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      return path;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

interface Round {
  readonly main: Readonly<Record<string, string>>;
  /** Lines of master.cf for both. */
  readonly master: string;
  readonly destinations: readonly Destination[];
  readonly folder: SharedFolder;
  /** Ends what was started. */
  readonly stops: (() => unknown)[];
}

const MAIN = {
  smtp_host_lookup: "native",
  lmtp_host_lookup: "native",
  smtp_helo_timeout: "30s",
  smtp_connection_cache_on_demand: "no",
  smtpd_relay_restrictions: "permit_mynetworks, reject",
  default_process_limit: "20",
  notify_classes: "",
};

/** One message to all of them over both: Postfix's, then ours. */
export async function overBoth(round: Round): Promise<readonly [postfix: Came, ours: Came]> {
  const { destinations, folder } = round;
  const lines = destinations.map(({ port, transport = "smtp" }, i) =>
    `${domain(i)} ${transport}:${transport.startsWith("lmtp") ? "inet:" : ""}[localhost]:${port}\n`
  );
  const main = {
    ...MAIN,
    transport_maps: `texthash:${folder.file("transport", lines.join(""))}`,
    ...round.main,
  };
  return await Promise.all([overPostfix({ ...round, main }), overOurs({ ...round, main })]);
}

const domain = (index: number) => `d${index}.example.net`;

async function overPostfix({ main, master, destinations, stops }: Round): Promise<Came> {
  const port = await freePort();
  const services = `127.0.0.1:${port} inet n - n - - smtpd\ntlsmgr unix - - n 1000? 1 tlsmgr\n`;
  const postfix = await startPostfix({ main, master: services + master });
  stops.push(() => postfix.stop());
  await reachable(port);
  await inBatches(
    port,
    destinations,
    (i, { awaits }) => postfix.waitForLog(statusLines(i, awaits)),
  );
  return sorted(postfix.log(), destinations);
}

async function overOurs({ main, master, destinations, stops }: Round): Promise<Came> {
  const mainCf = Object.entries(main).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf, masterCf: master.split("\n") });
  stops.push(() => server.stop());
  await inBatches(server.port, destinations, (i, { name, awaits }) => {
    return until(`delivery lines of ${name}`, () => statusLines(i, awaits).test(server.log()));
  });
  return sorted(server.log(), destinations);
}

function statusLines(index: number, awaits: number | "sent" = 1): RegExp {
  const [word, count] = awaits === "sent" ? [awaits, 1] : ["", awaits];
  return new RegExp(`(?:to=<a@${domain(index)}>.*status=${word}[^]*){${count}}`);
}

/** Destinations that are delivered to at a time: Postfix starts a process for each, and its tlsmgr has a queue of a few. */
const BATCH = 40;

async function inBatches(
  port: number,
  destinations: readonly Destination[],
  wait: (index: number, destination: Destination) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < destinations.length; start += BATCH) {
    const batch = [...destinations.entries()].slice(start, start + BATCH);
    await sendTo(port, batch.map(([i]) => `a@${domain(i)}`));
    for (const [i, each] of batch) await wait(i, each);
  }
}

/** One message, with these recipients. */
async function sendTo(port: number, recipients: readonly string[]): Promise<void> {
  const session = await talk(port);
  const say = async (line: string, code: string) => {
    const reply = await session.say(line);
    if (!reply.startsWith(code)) throw new Error(`${line}: ${reply}`);
  };
  await say("EHLO client.example.org", "250");
  await say("MAIL FROM:<s@example.org>", "250");
  for (const recipient of recipients) await say(`RCPT TO:<${recipient}>`, "250");
  await say("DATA", "354");
  await say("Subject: test\r\n\r\nhello\r\n.", "250");
  session.end();
}

/** Delivery lines stand apart; the certificates of a path, one by one, are OpenSSL's way of verifying. */
const NOT_COMPARED = /to=<|: depth=\d+ verify=/;

function sorted(log: string, destinations: readonly Destination[]): Came {
  const lines = log.replace(/^.*? postfix\/(\w+)\[\d+\]: /gm, "$1: ").split("\n")
    .filter((line) => /^[sl]mtp: /.test(line));
  return Object.fromEntries(destinations.map(({ name, port }, i) => {
    const status = lines.filter((line) => line.includes(`to=<a@${domain(i)}>`));
    const others = lines.filter((line) => new RegExp(`:${port}\\b`).test(line) && !NOT_COMPARED.test(line));
    return [name, [...status, ...others.sort()].map((line) => plain(line, port))];
  }));
}

/** What the two differ in is left out: the cipher that is agreed on with the server, and what more we say of a table in trouble. */
function plain(line: string, port: number): string {
  return line.replaceAll(String(port), "PORT").replace(/^([sl]mtp): [0-9A-F]{6,}: /, "$1: ID: ")
    .replace(/delay=[\d.]+, delays=[\d./]+/, "DELAYS").replace(/a@d\d+\./, "a@D.")
    .replace(/(lookup error for "[^"]*"): .*/, "$1")
    .replace(/(TLSv1\.\d) with cipher .*/, "$1 with cipher C");
}
