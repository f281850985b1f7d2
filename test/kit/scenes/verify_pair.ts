// The same questions about addresses, asked of the real Postfix and of our mail path, each with a mail server of its own to probe.
import fs from "node:fs";
import { startMailSystem } from "../servers/mail_system.ts";
import { startPostfix } from "../servers/postfix.ts";
import { freePort } from "../server.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../servers/smtp_peer.ts";
import { talk } from "../talk.ts";
import { until, untilNextTick } from "../waiting.ts";
import { sessionsOver, unfinished } from "./at_rest.ts";

/** One session: EHLO, MAIL, and a RCPT for each address; with one of the smtpd services when it is not the first. */
export interface Question {
  readonly service?: string;
  readonly from?: string;
  readonly to: readonly string[];
}

/** What one system said, did and wrote down; ids, ports, delays and folders are words. */
export interface Account {
  readonly replies: readonly string[];
  /** Sorted. */
  readonly log: readonly string[];
  /** What the peer was told, sorted. */
  readonly peer: readonly string[];
}

/** Both systems. */
export interface VerifyPair {
  /** Asks all questions at once, each in a session of its own; answers Postfix's account and ours. */
  ask(questions: readonly Question[]): Promise<readonly [Account, Account]>;
  /** What both peers do from now on. */
  script(next: PeerScript): void;
  /** Our data_directory, and Postfix's. */
  readonly data: { readonly ours: string; readonly theirs: string };
  stop(): Promise<void>;
}

const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  mail_name: "Postfix",
  myhostname: "mail.example.com",
  mydestination: "example.com",
  relay_domains: "relay.example",
  mynetworks: "127.0.0.0/8",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "ipv4",
  local_recipient_maps: "",
  alias_maps: "",
  default_privs: "nobody",
  smtpd_relay_restrictions: "permit_mynetworks, reject",
  smtpd_recipient_restrictions: "reject_unverified_recipient",
  address_verify_poll_count: "3",
  address_verify_poll_delay: "1",
  relay_transport: "smtp:[127.0.0.1]:$peer",
  smtp_connection_cache_on_demand: "no",
};

const MASTER = "cat unix - n n - - pipe user=nobody argv=/bin/cat\n";

interface System {
  /** By service. */
  readonly ports: ReadonlyMap<string, number>;
  readonly peer: SmtpPeer;
  readonly root: string;
  log(): string;
  stop(): Promise<void> | void;
}

function plain(text: string, { root, peer }: System): string {
  return text.replaceAll(root, "ROOT").replaceAll(`:${peer.port}`, ":PEER")
    .replace(/\b[0-9A-F]{9,12}\b/g, "ID")
    .replace(/\d{14}\.ID@/g, "ID@")
    .replace(/delay=[\d.]+, delays=[\d./]+/g, "DELAYS");
}

/** Lines that only one of them writes: processes start and end, names of files. */
const OWN = /^(?:master|postfix-script|anvil|scache): |^verify: cache |connect from|disconnect from/;

/** What the two are made of: main.cf, further smtpd services with parameters of their own, and other lines of master.cf. */
export interface VerifySetting {
  readonly main?: Readonly<Record<string, string>>;
  readonly services?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly master?: string;
}

function smtpdLine(name: string, overrides: Readonly<Record<string, string>> = {}): string {
  const own = Object.entries(overrides).map(([key, value]) => `  -o { ${key} = ${value} }\n`);
  return `${name} inet n - n - - smtpd\n${own.join("")}`;
}

async function theirSystem({ main = {}, services = {}, master = "" }: VerifySetting): Promise<System> {
  const peer = await startSmtpPeer();
  const ports = new Map<string, number>();
  for (const name of ["", ...Object.keys(services)]) {
    let port = await freePort();
    while ([...ports.values()].includes(port)) port = await freePort();
    ports.set(name, port);
  }
  const lines = [...ports].map(([name, port]) => smtpdLine(`127.0.0.1:${port}`, services[name]));
  const postfix = await startPostfix({
    main: fill(main, peer, "$config_directory"),
    master: lines.join("") + MASTER + master,
  });
  await postfix.waitForLog(/daemon started/);
  return {
    peer,
    ports,
    root: postfix.configDirectory.replace(/\/etc$/, ""),
    log: () => postfix.log().replace(/^.*? postfix\/(\w[\w-]*)\[\d+\]: /gm, "$1: "),
    stop: () => postfix.stop(),
  };
}

async function ourSystem({ main = {}, services = {}, master = "" }: VerifySetting): Promise<System> {
  const peer = await startSmtpPeer();
  const root = fs.mkdtempSync("/tmp/verify-ours-");
  const own = { queue_directory: root, data_directory: root, allow_open_relay: "yes" };
  const names = Object.keys(services);
  const lines = names.map((name, k) => smtpdLine(`127.0.0.1:${3000 + k}`, services[name]));
  const system = await startMailSystem(
    { ...fill(main, peer, root), ...own },
    root,
    lines.join("") + MASTER + master,
  );
  return {
    peer,
    root,
    ports: new Map([
      ["", system.port],
      ...names.map((name, k) => [name, system.ports.get(`127.0.0.1:${3000 + k}`)!] as const),
    ]),
    log: () => system.log.lines.join("\n"),
    async stop() {
      await system.stop();
      fs.rmSync(root, { recursive: true });
    },
  };
}

function fill(main: Readonly<Record<string, string>>, peer: SmtpPeer, root: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries({ ...COMMON, ...main })
      .map(([name, value]) => [name, value.replaceAll("$peer", String(peer.port)).replaceAll("$root", root)]),
  );
}

async function session(
  ports: ReadonlyMap<string, number>,
  { service = "", from = "ann@relay.example", to }: Question,
): Promise<string> {
  const client = await talk(ports.get(service)!);
  const said: string[] = [];
  const say = async (line: string) => void said.push(`${line}: ${await client.say(line)}`);
  await client.say("EHLO client.example.org");
  await say(`MAIL FROM:<${from}>`);
  for (const address of to) await say(`RCPT TO:<${address}>`);
  await client.say("QUIT");
  client.end();
  return said.join("\n");
}

async function account(system: System, questions: readonly Question[]): Promise<Account> {
  const [lines, said] = [system.log().length, system.peer.lines.length];
  const replies = await Promise.all(questions.map((question) => session(system.ports, question)));
  await atRest(system, lines, replies);
  return {
    replies: replies.map((text) => plain(text, system)),
    log: plain(system.log().slice(lines), system).split("\n").filter((line) => line !== "" && !OWN.test(line))
      .sort(),
    peer: system.peer.lines.slice(said).sort(),
  };
}

/** Addresses of which it was said that they are being probed. */
function probedIn(replies: readonly string[]): number {
  const lines = replies.join("\n").split("\n").filter((line) => line.includes("verification in progress"));
  return new Set(lines.map((line) => /^RCPT TO:<(.*?)>: /.exec(line)?.[1])).size;
}

/** Waits until the sessions are over, and all probes: those that the replies tell of, and those that begin behind a good reply. */
async function atRest(system: System, from: number, replies: readonly string[]): Promise<void> {
  const log = () => system.log().slice(from);
  const answered = () => log().match(/ status=(?:un)?deliverable/g)?.length ?? 0;
  const isOver = () =>
    sessionsOver(log()) >= replies.length && answered() >= probedIn(replies) &&
    unfinished(log()).length === 0;
  let last = -1;
  await until(() => `the end of ${unfinished(log())}:\n${log().slice(-3000)}`, async () => {
    if (!isOver()) return false;
    if (log().length === last) return true;
    last = log().length;
    await untilNextTick(200);
    return false;
  });
}

/** Starts both; `$peer` in main.cf is the port of the system's own peer. */
export async function startVerifyPair(setting: VerifySetting, script: PeerScript): Promise<VerifyPair> {
  const systems = await Promise.all([theirSystem(setting), ourSystem(setting)]);
  const [theirs, ours] = systems;
  for (const { peer } of systems) peer.setScript(script);
  return {
    data: { ours: ours.root, theirs: `${theirs.root}/data` },
    script: (next) => systems.forEach(({ peer }) => peer.setScript(next)),
    ask: (questions) => Promise.all([account(theirs, questions), account(ours, questions)]),
    async stop() {
      for (const system of systems) {
        await system.stop();
        await system.peer.close();
      }
    },
  };
}
