// Runs the same mail through the real Postfix and through our mail path, and brings what came of it into one form.
import { spawn } from "node:child_process";
import fs from "node:fs";
import { startMailSystem } from "../servers/mail_system.ts";
import { type PostfixInstance, startPostfix } from "../servers/postfix.ts";
import { BINARY, freePort, startServer } from "../server.ts";
import { talk } from "../talk.ts";
import { reachable } from "../servers/reachable.ts";
import { until } from "../waiting.ts";
import { sessionsOver, unfinished } from "./at_rest.ts";

/** One message of a comparison. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** ESMTP parameters of MAIL and of each RCPT. */
  readonly mail?: string;
  readonly rcpt?: string;
  /** LF line ends. */
  readonly text?: string;
}

/** What came of all mail: log lines sorted, the messages of each file sorted, and the user id that owns each. */
export interface Result {
  readonly lines: readonly string[];
  readonly owners: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, readonly string[]>>;
}

/** A pattern for so many of a phrase, with anything in between; it takes no longer the more there are. */
export function times(phrase: string, count: number): RegExp {
  return new RegExp(`(?:(?:(?!${phrase})[^])*${phrase}){${count}}`);
}

/** Both systems, each with a root folder of its own (`$root` in main.cf and in the files). */
export interface Pair {
  /** Postfix's root folder and ours, for what a test puts there. */
  readonly roots: readonly [string, string];
  /** Sends the same mail to both; answers Postfix's result, then ours. `needed` must be in both logs before that. */
  compare(mails: readonly Mail[], needed?: RegExp): Promise<readonly [Result, Result]>;
  /** The same for sessions, each a list of lines: what to say, each answered before the next one. */
  converse(sessions: readonly (readonly string[])[], needed?: RegExp): Promise<readonly [Result, Result]>;
  /**
   * The same for calls of sendmail, each a list of its arguments; only of the executable. `said`: what they print, theirs and ours.
   */
  submit(
    calls: readonly (readonly string[])[],
    needed?: RegExp,
  ): Promise<{ readonly results: readonly [Result, Result]; readonly said: readonly [string[], string[]] }>;
  stop(): Promise<void>;
}

const TEXT = "From: <a@example.com>\nTo: <x@example.com>\nSubject: test\nMessage-Id: <id1@c.example>\n" +
  "Date: Wed, 25 Nov 2026 01:54:39 +0000\n\nhello\nFrom me\n.dot\n";

/** Sends it; answers the id under which it was accepted. */
async function send(port: number, { from, to, mail = "", rcpt = "", text = TEXT }: Mail): Promise<string> {
  const session = await talk(port);
  const expect = async (line: string, code: string) => {
    const reply = await session.say(line);
    if (!reply.startsWith(code)) throw new Error(`${line}: ${reply}`);
    return reply;
  };
  await expect("EHLO client.example.org", "250");
  await expect(`MAIL FROM:<${from}> ${mail}`.trim(), "250");
  for (const each of to) await expect(`RCPT TO:<${each}> ${rcpt}`.trim(), "250");
  await expect("DATA", "354");
  session.send(text.replace(/^\./gm, "..").replaceAll("\n", "\r\n"));
  const reply = await expect(".", "250");
  await session.say("QUIT");
  session.end();
  return /queued as (\w+)$/.exec(reply)![1]!;
}

/**
 * Says the lines, each when the one before is answered; one that ends in CR LF is not waited for, and an empty one waits until the
 * server has hung up. Then hangs up, unless the server has done so. Answers the ids of messages that were accepted.
 */
async function sayAll(port: number, lines: readonly string[]): Promise<string[]> {
  const session = await talk(port);
  const ids: string[] = [];
  for (const line of lines) {
    if (line === "") await session.closed;
    else if (line.endsWith("\r\n")) session.send(line);
    else ids.push(.../queued as (\w+)$/.exec(await session.say(line))?.slice(1) ?? []);
  }
  session.end();
  await session.closed;
  return ids;
}

/** Calls a sendmail with a message; answers what it prints, and how it ended. */
function callSendmail(program: string, config: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: "/usr/bin:/bin", MAIL_CONFIG: config };
    const child = spawn(program, args, { argv0: "sendmail", env, timeout: 60_000 });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => said += text);
    }
    child.stdin.on("error", () => {});
    child.stdin.end(TEXT);
    child.on("error", reject).on("close", (status) => resolve(`${said}exit ${status}`));
  });
}

/** Ids, times and names of temporary folders become words; addresses of helpers and process ids too. */
function plain(text: string, root: string): string {
  return text.replaceAll(root, "ROOT")
    .replace(/(tmp|new)\/\d+\.\w+\.[\w.]+/g, "$1/NAME")
    .replace(/\b[0-9A-F]{9,12}\b(?:\.\d+)?/g, "ID")
    .replace(/\d{14}\.ID@/g, "ID@")
    .replace(/\w{3}, [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, "DATE")
    .replace(/^(>?From \S+) {2}\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm, "$1  DATE")
    .replace(/delay=[\d.]+, delays=[\d./]+/g, "DELAYS");
}

const KEPT =
  /^(?:\w+): (?:warning: |ID: (?:to=|from=.*(?:status=|queue active)|removed|[a-z ]*notification))/;

/** Remarks that go with a delivery line which says the same; only one of the two systems makes them. */
const REMARKS =
  /pipe_command_read: read time limit|unable to create lock file|delay template|bounce_queue_lifetime is larger|for instructions see the bounce|master\.cf has no entry/;

function linesOf(log: string, root: string): string[] {
  return plain(log, root).split("\n").filter((line) => KEPT.test(line) && !REMARKS.test(line)).sort();
}

/** Postfix's file lines as ours: the program's name in front. */
function bare(log: string): string {
  return log.replace(/^.*? postfix\/(\w+)\[\d+\]: /gm, "$1: ");
}

/** Every plain file below a folder, without following links. */
function plainFiles(folder: string): fs.Dirent[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? plainFiles(`${folder}/${entry.name}`) : entry.isFile() ? [entry] : []
  );
}

function ownersOf(root: string): Record<string, number> {
  const owners = plainFiles(`${root}/mail`).map(({ parentPath, name }) => {
    const path = `${parentPath}/${name}`;
    return [plain(path, root), fs.statSync(path).uid] as const;
  });
  return Object.fromEntries(owners.sort(([a], [b]) => a < b ? -1 : 1));
}

function filesOf(root: string): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const entry of plainFiles(`${root}/mail`)) {
    const path = `${entry.parentPath}/${entry.name}`;
    const text = fs.readFileSync(path, "latin1");
    const messages = plain(text, root).split(/(?=^From \S+ {2}DATE$)/m);
    const name = entry.parentPath.endsWith("/new") ? "new" : entry.name;
    (out[`${entry.parentPath.slice(root.length)}/${name}`] ??= []).push(...messages);
  }
  for (const messages of Object.values(out)) messages.sort();
  return out;
}

/** Waits until nothing more comes of the accepted messages: sessions, deliveries and notices are over. */
function atRest(
  log: () => string,
  accepted: readonly string[],
  sessions: number,
  needed: RegExp,
): Promise<void> {
  return until(
    () => `the end of ${unfinished(log(), accepted)} (${needed}):\n${log().slice(-3000)}`,
    () =>
      needed.test(log()) && sessionsOver(log()) >= sessions &&
      unfinished(log(), accepted).length === 0,
  );
}

function folders(name: string, files: Readonly<Record<string, string>>): string {
  const root = fs.mkdtempSync(`/tmp/pair-${name}-`);
  fs.chmodSync(root, 0o755);
  fs.mkdirSync(`${root}/mail`);
  fs.chmodSync(`${root}/mail`, 0o1777);
  for (const [file, text] of Object.entries(files)) {
    fs.writeFileSync(`${root}/${file}`, text.replaceAll("$root", root));
  }
  return root;
}

/** Our side of a pair. */
interface OwnSide {
  readonly port: number;
  /** Of the executable; undefined in this process. */
  readonly configDirectory?: string;
  log(): string;
  stop(): Promise<unknown>;
}

/** How our side is run: the mail path in this process, or the compiled executable with its master, workers and helpers. */
type OpenOwnSide = (main: Readonly<Record<string, string>>, root: string, master: string) => Promise<OwnSide>;

const inProcess: OpenOwnSide = async (main, root, master) => {
  const system = await startMailSystem(
    { ...main, queue_directory: root, data_directory: root, allow_open_relay: "yes" },
    root,
    master,
  );
  return { port: system.port, log: () => system.log.lines.join("\n"), stop: () => system.stop() };
};

const asBinary: OpenOwnSide = async (main, _root, master) => {
  const lines = Object.entries({ ...main, allow_open_relay: "yes" }).map(([name, value]) =>
    `${name} = ${value}`
  );
  const server = await startServer({ mainCf: lines, masterCf: [master] });
  const { port, configDirectory } = server;
  return { port, configDirectory, log: () => bare(server.log()), stop: () => server.stop() };
};

/** Starts the real Postfix and the compiled executable on the same lines of main.cf. */
export const startBinaryPair = (
  main: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
  master = "",
): Promise<Pair> => pairOf(asBinary, main, files, master);

/** Starts the real Postfix and our mail path in this process on the same lines of main.cf. */
export const startPair = (
  main: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
  master = "",
): Promise<Pair> => pairOf(inProcess, main, files, master);

async function pairOf(
  openOwn: OpenOwnSide,
  main: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>>,
  master: string,
): Promise<Pair> {
  const roots = [folders("theirs", files), folders("ourown", files)] as const;
  const at = (root: string) =>
    Object.fromEntries(
      Object.entries({ ...COMMON, ...main }).map(([k, v]) => [k, v.replaceAll("$root", root)]),
    );
  const port = await freePort();
  const postfix: PostfixInstance = await startPostfix({
    main: at(roots[0]),
    master: `127.0.0.1:${port} inet n - n - - smtpd\n${master.replaceAll("$root", roots[0])}` +
      "pickup unix n - n 60 1 pickup\n",
  });
  const ours = await openOwn(at(roots[1]), roots[1], master.replaceAll("$root", roots[1]));
  await reachable(port);
  /** Has all sessions with both, one after the other; each answers the ids of its messages. */
  const compared = async (
    sessions: readonly ((port: number) => Promise<readonly string[]>)[],
    needed = /^/,
    over = sessions.length,
  ): Promise<readonly [Result, Result]> => {
    const from = { theirs: postfix.log().length, ours: ours.log().length };
    const accepted = { theirs: [] as string[], ours: [] as string[] };
    for (const session of sessions) {
      accepted.theirs.push(...await session(port));
      accepted.ours.push(...await session(ours.port));
    }
    const theirLog = () => bare(postfix.log().slice(from.theirs));
    const ourLog = () => ours.log().slice(from.ours);
    await Promise.all([
      atRest(theirLog, accepted.theirs, over, needed),
      atRest(ourLog, accepted.ours, over, needed),
    ]);
    const results = [
      { lines: linesOf(theirLog(), roots[0]), files: filesOf(roots[0]), owners: ownersOf(roots[0]) },
      { lines: linesOf(ourLog(), roots[1]), files: filesOf(roots[1]), owners: ownersOf(roots[1]) },
    ] as const;
    for (const root of roots) {
      for (const name of fs.readdirSync(`${root}/mail`)) {
        fs.rmSync(`${root}/mail/${name}`, { recursive: true });
      }
    }
    return results;
  };
  return {
    roots,
    compare: (mails, needed) =>
      compared(mails.map((mail) => async (to: number) => [await send(to, mail)]), needed),
    converse: (sessions, needed) =>
      compared(sessions.map((lines) => (to: number) => sayAll(to, lines)), needed),
    async submit(calls, needed) {
      const { configDirectory } = ours;
      if (configDirectory === undefined) throw new Error("only the executable has a sendmail");
      const said: [string[], string[]] = [[], []];
      const results = await compared(
        calls.map((args) => async (to: number) => {
          const isTheirs = to === port;
          const [program, config] = isTheirs
            ? ["/usr/sbin/sendmail", postfix.configDirectory]
            : [BINARY, configDirectory];
          said[isTheirs ? 0 : 1].push(await callSendmail(program, config, args));
          return [];
        }),
        needed,
        0,
      );
      return { results, said };
    },
    async stop() {
      await postfix.stop();
      await ours.stop();
      for (const root of roots) fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  mail_name: "Postfix",
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "example.com",
  mydestination: "example.com",
  mynetworks: "127.0.0.0/8",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "ipv4",
  local_recipient_maps: "",
  mail_spool_directory: "$root/mail",
  recipient_delimiter: "+",
  alias_maps: "",
  alias_database: "",
  default_privs: "nobody",
  smtpd_relay_restrictions: "permit_mynetworks, reject",
  smtpd_recipient_restrictions: "",
  deliver_lock_delay: "1",
  deliver_lock_attempts: "2",
  command_time_limit: "3",
};
