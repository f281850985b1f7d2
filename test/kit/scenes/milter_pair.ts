// The real Postfix and ours side by side, each before the same scripted milters: one session played to both, and what came of it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../server.ts";
import { type MailSystem, startMailSystem } from "../servers/mail_system.ts";
import { type PostfixInstance, startPostfix } from "../servers/postfix.ts";
import { type MilterScript, type ScriptedMilter, startScriptedMilter } from "../servers/scripted_milter.ts";
import { type SmtpPeer, startSmtpPeer } from "../servers/smtp_peer.ts";
import { talk } from "../talk.ts";
import { until } from "../waiting.ts";
import { unfinished } from "./at_rest.ts";

/** What came of a session. */
export interface MilterOutcome {
  readonly replies: readonly string[];
  /** What each milter heard. */
  readonly heard: readonly (readonly string[])[];
  readonly log: readonly string[];
  readonly mails: readonly string[];
}

/** A session: lines, and after DATA content without its end; `|` before a line sends it without waiting for a reply. */
export interface MilterSession {
  /** Name of the service: its row in `SERVICES`. */
  readonly service?: string;
  readonly lines: readonly string[];
  readonly scripts?: readonly MilterScript[];
}

/** Lines of master.cf by name: `A` and `B` stand for milters, `NOBODY` for one that does not answer. */
export type MilterServices = Readonly<Record<string, readonly string[]>>;

/** Both systems. */
export interface MilterPair {
  play(session: MilterSession): Promise<{ readonly ours: MilterOutcome; readonly theirs: MilterOutcome }>;
  stop(): Promise<void>;
}

interface System {
  readonly ports: ReadonlyMap<string, number>;
  readonly log: () => string;
  readonly sink: SmtpPeer;
}

/** Starts both, with these lines of main.cf for each. */
export async function startMilterPair(
  services: MilterServices,
  main: Readonly<Record<string, string>>,
): Promise<MilterPair> {
  const directory = mkdtempSync(join(tmpdir(), "mta-milters-"));
  const [a, b] = [await startScriptedMilter(), await startScriptedMilter()];
  const nobody = `inet:127.0.0.1:${await freePort()}`;
  const milters = [a, b];
  const named = (option: string) =>
    option.replace(/\bA\b/g, a.name).replace(/\bB\b/g, b.name).replace(/\bNOBODY\b/g, nobody);
  const sinks = [await startSink(), await startSink()] as const;
  const ports = new Map<string, number>();
  for (const name of Object.keys(services)) ports.set(name, await freePort());
  const master = (address: string) =>
    Object.entries(services).map(([name, options]) =>
      `${address}${ports.get(name)} inet n - n - - smtpd\n` +
      options.map((option) => `  -o ${named(option)}\n`).join("")
    ).join("");
  const common = { ...main };
  for (const [name, value] of Object.entries(common)) common[name] = named(value);
  const theirs = await startPostfix({
    main: { ...common, relayhost: `[127.0.0.1]:${sinks[0].port}` },
    master: master("127.0.0.1:"),
  });
  writeFileSync(join(directory, "main.cf"), "");
  const ours = await startMailSystem(
    {
      compatibility_level: "3.6",
      myhostname: "mail.example.com",
      mydestination: "",
      inet_interfaces: "127.0.0.1",
      inet_protocols: "ipv4",
      mynetworks: "127.0.0.0/8",
      login_failure_exceptions: "127.0.0.0/8",
      alias_maps: "",
      ...common,
      relayhost: `[127.0.0.1]:${sinks[1].port}`,
    },
    directory,
    master(""),
  );
  const names = { milters, nobody };
  return {
    async play(session) {
      const real = await playTo(systemOfPostfix(theirs, ports, sinks[0]), session, names);
      const own = await playTo(systemOfOurs(ours, ports, sinks[1]), session, names);
      return { ours: own, theirs: real };
    },
    async stop() {
      await Promise.all([theirs.stop(), ours.stop()]);
      await Promise.all([...milters, ...sinks].map((each) => each.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const startSink = () =>
  startSmtpPeer({
    ehlo: ["SIZE 50000000", "8BITMIME", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES"],
    rcpt: (line) => line.includes("<bounce@") ? "550 5.1.1 nobody of that name" : "250 2.1.5 Ok",
  });

function systemOfPostfix(
  instance: PostfixInstance,
  ports: ReadonlyMap<string, number>,
  sink: SmtpPeer,
): System {
  return { ports, log: () => instance.log(), sink };
}

function systemOfOurs(system: MailSystem, ports: ReadonlyMap<string, number>, sink: SmtpPeer): System {
  const own = new Map([...ports].map(([name, port]) => [name, system.ports.get(`${port}`)!]));
  return { ports: own, log: () => system.log.lines.join("\n"), sink };
}

interface Names {
  readonly milters: readonly ScriptedMilter[];
  readonly nobody: string;
}

async function playTo(system: System, session: MilterSession, names: Names): Promise<MilterOutcome> {
  const { milters } = names;
  for (const [at, milter] of milters.entries()) milter.play(session.scripts?.[at] ?? {});
  const [logStart, mailStart, lineStart] = [
    system.log().length,
    system.sink.mails.length,
    system.sink.lines.length,
  ];
  const replies = await converse(system.ports.get(session.service ?? "one")!, session.lines);
  const said = () => system.log().slice(logStart);
  await until(() => `the end of the session:\n${said()}`, () => / disconnect from /.test(said()));
  await until("the milters' ends", () => milters.every(({ open }) => open === 0));
  const accepted = replies.flatMap((reply) => /queued as (\w+)/.exec(reply)?.[1] ?? []);
  const isDone = () => unfinished(said(), isDropped(said()) ? [] : accepted).length === 0;
  await until(() => `the messages' ends:\n${said()}`, isDone);
  await until("the milters' ends, notices shown", () => milters.every(({ open }) => open === 0));
  const normal = (text: string) => normalized(text, names).replaceAll(`${system.sink.port}`, "SINK");
  const envelopes = system.sink.lines.slice(lineStart).filter((line) => /^(?:MAIL|RCPT)/.test(line));
  const isNotice = session.lines.some((line) => line.includes("<bounce@"));
  const mails = [
    ...envelopes.map(normal).map(parametersInOrder),
    ...system.sink.mails.slice(mailStart).map(({ content }) => normal(content)),
  ];
  return {
    replies: replies.map(normal),
    heard: milters.map(({ heard }) => isNotice ? heard.map(normal) : withoutLocal(heard.map(normal))),
    // Only Postfix's smtpd still writes to a filter that its cleanup has given up.
    log: said().split("\n").filter((line) => /milter/i.test(line) && !/: Broken pipe$/.test(line)).map(
      logLine,
    )
      .map(normal),
    mails: accepted.length > 1 ? mails.sort() : mails,
  };
}

/** Messages that are held or thrown away end without another word. */
const isDropped = (log: string) => /(?:discard|hold): |no recipients are left/.test(log);

/** Without a session that is made up for mail that is thrown away: Postfix takes that for local mail then. */
function withoutLocal(heard: readonly string[]): readonly string[] {
  const at = heard.findIndex((line) => line.startsWith("connect localhost "));
  if (at < 0) return heard;
  const end = heard.indexOf("quit", at);
  return [...heard.slice(0, at - 2), ...heard.slice(end + 1)];
}

/** The order of parameters is not what is compared here, nor the size. */
function parametersInOrder(line: string): string {
  const [command, ...parameters] = line.replace(/ SIZE=\d+/, "").split(/ (?=[A-Z0-9]+(?:=|$))/);
  return [command, ...parameters.sort()].join(" ");
}

/** `smtpd: text`, whichever log it comes from. */
function logLine(line: string): string {
  const match = /(?:postfix\/)?(\w+)(?:\[\d+\])?: (.*)$/.exec(line.replace(/^\w+ +\d+ [\d:]+ \S+ /, ""));
  return match === null ? line : `${match[1]}: ${match[2]}`;
}

function normalized(text: string, { milters, nobody }: Names): string {
  let out = text.replace(/\b(?=\w*\d)[0-9A-F]{10,}\b/g, "ID").replaceAll(nobody, "NOBODY");
  for (const [at, { name }] of milters.entries()) out = out.replaceAll(name, "AB"[at]!);
  return out
    // Postfix counts other bytes there, and names the milter or not.
    .replace(/followed by \d+ data bytes/, "followed by N data bytes")
    .replace(/warning: (?:milter8_read_data: )?(?:milter A: )?(missing string|left-over data)/, "warning: $1")
    // How addresses are encoded is compared elsewhere.
    .replace(/^RCPT .*/, (line) => line.replaceAll("+22", '"'))
    .replace(/^(connect \S+ \w) \d+/, "$1 PORT")
    .replace(/(client_port\}?|daemon_port\}?)=[1-9]\d*/g, "$1=PORT")
    .replace(/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, "DATE")
    .replace(/<\d{14}\.ID@/g, "<STAMP.ID@")
    .replace(/\bID\.\d+\//g, "ID.TIME/");
}

async function converse(port: number, lines: readonly string[]): Promise<string[]> {
  const client = await talk(port);
  const replies = [client.greeting];
  try {
    for (const line of lines) {
      // Content that nobody waits for would be taken for commands.
      if (/(?:^|\r\n)\.$/.test(line) && !replies.at(-1)!.startsWith("354")) continue;
      if (line.startsWith("|")) client.send(`${line.slice(1)}\r\n`);
      replies.push(await (line.startsWith("|") ? client.reply() : client.say(line)));
      if (/^(?:421|521)/m.test(replies.at(-1)!)) break;
    }
  } catch (error) {
    replies.push(`closed: ${(error as Error).message}`);
  }
  client.end();
  return replies;
}
