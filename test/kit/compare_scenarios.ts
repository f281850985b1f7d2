// Plays scenarios against a private real Postfix and against our policy, and compares replies, log notes and warnings.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { quoteAddress } from "../../src/address/address.ts";
import { COMMON, type Scenario } from "../access/scenarios.ts";
import { type KitOptions, policyKit } from "./policy.ts";
import { clientOf, type NotedLine, playScript, type ScriptClient } from "./policy_session.ts";
import { postfixAvailable, type PostfixInstance, startPostfix } from "./postfix.ts";

/** What both sides live in beside the scenarios. */
export interface ScenarioWorld {
  /** Further settings for both. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Postfix's only name server, on port 53. */
  readonly nameServer?: string;
  /** Our policy's surroundings. */
  readonly deps?: KitOptions;
  /** `%NAME%` in settings is replaced. */
  readonly names?: Readonly<Record<string, string>>;
  close?(): Promise<void> | void;
}

/** Ports nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise<net.Server>((resolve) => {
        const server = net.createServer();
        server.listen(0, "127.0.0.1", () => resolve(server));
      })),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

const PLAIN_SERVER: Readonly<Record<string, string>> = {
  smtpd_authorized_xclient_hosts: "127.0.0.1",
  smtpd_error_sleep_time: "0",
  smtpd_soft_error_limit: "1000",
  smtpd_hard_error_limit: "1000",
  smtpd_junk_command_limit: "1000",
  smtpd_client_connection_count_limit: "0",
  defer_transports: "smtp relay local virtual lmtp",
  disable_dns_lookups: "no",
};

function instanceSettings(scenarios: readonly Scenario[]): Record<string, string> {
  const main: Record<string, string> = { ...COMMON, ...PLAIN_SERVER };
  scenarios.forEach(({ settings }, at) => {
    for (const [name, value] of Object.entries(settings)) {
      if (isRestrictionClass(settings, name)) main[`${name}`] = value;
      else main[`sc${at}_${name}`] = value;
    }
  });
  return main;
}

function isRestrictionClass(settings: Readonly<Record<string, string>>, name: string): boolean {
  return (settings.smtpd_restriction_classes ?? "").split(/[, ]+/).includes(name);
}

function masterLines(scenarios: readonly Scenario[], ports: readonly number[]): string {
  return scenarios.map(({ settings }, at) => {
    const options = Object.keys(settings).filter((name) => !isRestrictionClass(settings, name))
      .map((name) => ` -o ${name}=$sc${at}_${name}`);
    return `127.0.0.1:${ports[at]} inet n - n - - smtpd -o syslog_name=sc${at}${options.join("")}`;
  }).join("\n");
}

/** A blocking dialogue over a socket. */
export class Dialogue {
  readonly #socket: net.Socket;
  #buffer = "";
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(port: number) {
    this.#socket = net.connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk) => {
      this.#buffer += chunk.toString("latin1");
      this.#wake?.();
    });
    this.#socket.on("close", () => {
      this.#closed = true;
      this.#wake?.();
    });
    this.#socket.on("error", () => {});
  }

  /** The next reply, its lines joined by a newline. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#buffer);
      if (match !== null) {
        this.#buffer = this.#buffer.slice(match[0].length);
        return match[0].trimEnd();
      }
      if (this.#closed) return "(closed)";
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async ask(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return await this.reply();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function xclient(client: ScriptClient): string {
  const facts = clientOf(client);
  const missing = (status: number) => status === 4 ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]";
  const name = facts.nameStatus === 2 ? facts.name : missing(facts.nameStatus);
  const reverse = facts.reverseNameStatus === 2 ? facts.reverseName : missing(facts.reverseNameStatus);
  const address = facts.address.includes(":") ? `IPV6:${facts.address}` : facts.address;
  const login = client.login === undefined ? "" : ` LOGIN=${client.login}`;
  return `XCLIENT NAME=${name} REVERSE_NAME=${reverse} ADDR=${address} PORT=40000${login}`;
}

function written(address: string): string {
  return /[ "]/.test(address) ? quoteAddress(address) : address;
}

function wireForm(command: string): string {
  const [verb, ...rest] = command.split(" ");
  if (verb === "MAIL") return `MAIL FROM:<${written(rest.join(" "))}>`;
  if (verb === "RCPT") return `RCPT TO:<${written(rest.join(" "))}>`;
  return command;
}

/** A reply as policy sees it: greetings and EHLO by their code, the queue id left out. */
function essence(reply: string, command: string): string {
  if (/^220/.test(reply)) return "220";
  if (/^(EHLO|HELO)/.test(command) && reply.startsWith("250")) return "250";
  if (command === "DATA" && reply.startsWith("354")) return "354";
  return reply.replace(/Ok: queued as \w+/, "Ok: queued");
}

async function playReal(port: number, client: ScriptClient, commands: readonly string[]): Promise<string[]> {
  const dialogue = new Dialogue(port);
  await dialogue.reply();
  const replies = [essence(await dialogue.ask(xclient(client)), "")];
  for (const command of commands) {
    const text = command === "." ? "Subject: x\r\n\r\nbody\r\n." : wireForm(command);
    replies.push(essence(await dialogue.ask(text), command));
  }
  dialogue.close();
  return replies;
}

const TAIL = /;(?: from=<.*?>)?(?: to=<.*>)?(?: proto=\w+)?(?: helo=<.*>)?$/;

/** Postfix's notes of one scenario, in order. */
function notesOf(log: string, at: number): NotedLine[] {
  const pattern = new RegExp(
    `sc${at}/smtpd\\[\\d+\\]: \\w+: (\\w+): (CONNECT|XCLIENT|HELO|EHLO|MAIL|RCPT|DATA|VRFY|ETRN|END-OF-MESSAGE) from \\S+: (.*)$`,
  );
  return log.split("\n").flatMap((line) => {
    const match = pattern.exec(line);
    if (match === null) return [];
    // XCLIENT makes a new client, whose connection is checked at that command.
    const stage = match[2] === "XCLIENT" ? "CONNECT" : match[2];
    return [{ verb: match[1], stage, text: match[3].replace(TAIL, "") }];
  });
}

/** What Postfix says of obsolete words at each use and we once at the start; what the grammar says, not the policy. */
const AT_START = /^support for restriction|is deprecated|is ignored$|^Illegal address syntax/;

/** Lookup errors: which table and key; the reasons are worded by each. */
function warningEssence(text: string): string {
  return text.replace(/(lookup error for "[^"]*"|^mynetworks: .*instead).*$/, "$1").slice(0, 1900);
}

/** Postfix's warnings of one scenario, in order. */
function warningsOf(log: string, at: number): string[] {
  const pattern = new RegExp(`sc${at}/smtpd\\[\\d+\\]: warning: (.*)$`);
  return log.split("\n").flatMap((line) => pattern.exec(line)?.[1] ?? []).filter((text) =>
    !AT_START.test(text)
  )
    .map(warningEssence);
}

/** Declares a test for each scenario. `start` sets the world up before Postfix starts. */
export function compareScenarios(
  title: string,
  scenarios: readonly Scenario[],
  start: () => Promise<ScenarioWorld> = () => Promise.resolve({}),
): void {
  describe.skipIf(!postfixAvailable())(title, () => {
    let postfix: PostfixInstance;
    let world: ScenarioWorld = {};
    let ports: number[] = [];
    let compared = 0;
    const named = (text: string) =>
      text.replace(/%(\w+)%/g, (all, name: string) => world.names?.[name] ?? all);
    const settingsOf = (settings: Readonly<Record<string, string>>) =>
      Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, named(value)]));

    beforeAll(async () => {
      world = await start();
      ports = await freePorts(scenarios.length);
      const known = scenarios.map((scenario) => ({ ...scenario, settings: settingsOf(scenario.settings) }));
      const main = { ...instanceSettings(known), ...settingsOf(world.settings ?? {}) };
      postfix = startPostfix({ main, master: masterLines(known, ports), nameServer: world.nameServer });
    }, 60_000);

    afterAll(async () => {
      if (process.env.KEEP_LOG !== undefined) fs.writeFileSync(process.env.KEEP_LOG, postfix.log());
      postfix?.stop();
      await world.close?.();
      console.log(`${compared} replies compared with Postfix`);
    });

    scenarios.forEach((scenario, at) => {
      test(scenario.name, async () => {
        const main = { ...COMMON, access_at_domain_keys: "no", ...world.settings, ...scenario.settings };
        const text = Object.entries(settingsOf(main)).map(([name, value]) => `${name} = ${value}\n`).join("");
        const { policy } = policyKit(text, world.deps);
        const log: NotedLine[] = [];
        const warnings: string[] = [];
        for (const { client = {}, commands } of scenario.sessions) {
          const real = await playReal(ports[at], client, commands);
          const ours = await playScript(policy, client, commands);
          const lines = (replies: readonly string[]) =>
            replies.map((reply, i) => `${["(connect)", ...commands][i]} -> ${reply}`);
          compared += real.length;
          expect(lines(ours.replies), JSON.stringify(client)).toEqual(lines(real));
          log.push(...ours.log);
          warnings.push(...ours.warnings.map(warningEssence));
        }
        policy.close();
        await new Promise((wake) => setTimeout(wake, 150));
        expect(log).toEqual(notesOf(postfix.log(), at));
        expect(warnings).toEqual(warningsOf(postfix.log(), at));
      }, 60_000);
    });
  });
}
