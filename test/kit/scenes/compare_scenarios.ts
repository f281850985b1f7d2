// Plays scenarios against a private real Postfix and against our smtpd in memory, and compares replies, log lines and warnings.
import { expect } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { COMMON, type Scenario } from "../../access/scenarios.ts";
import { memorySmtpd } from "../memory/memory_smtpd.ts";
import { withPeers } from "../peers.ts";
import { dial, enter, playSession } from "./play_session.ts";
import { type KitOptions, policyKit } from "../policy.ts";
import { type PostfixInstance, startPostfix } from "../servers/postfix.ts";
import { until } from "../waiting.ts";

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

/** Settings that keep the server out of the policy's way. */
export const PLAIN_SERVER: Readonly<Record<string, string>> = {
  smtpd_authorized_xclient_hosts: "127.0.0.0/8",
  smtpd_forbid_bare_newline: "no",
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

/** Parameters whose value is not expanded when it is read. */
const RAW: ReadonlySet<string> = new Set([
  "default_rbl_reply",
  "smtpd_expansion_filter",
  "smtpd_reject_footer",
]);

function masterLines(scenarios: readonly Scenario[], ports: readonly number[]): string {
  return scenarios.map(({ settings, routing = false }, at) => {
    const options = Object.entries(settings).filter(([name]) => !isRestrictionClass(settings, name))
      .map(([name, value]) => RAW.has(name) ? ` -o {${name}=${value}}` : ` -o ${name}=$sc${at}_${name}`);
    const smtpd = `127.0.0.1:${ports[at]} inet n - n - - smtpd -o syslog_name=sc${at}${options.join("")}`;
    if (!routing) return smtpd;
    return `${smtpd} -o rewrite_service_name=rewrite${at}\nrewrite${at} unix - - n - - trivial-rewrite${
      options.join("")
    }`;
  }).join("\n");
}

/** The lines of smtpd's log that access rules are the cause of: `reject: RCPT from ...`, in order, without the queue id. */
function notesIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const match =
      /(?:^smtpd|\/smtpd\[\d+\]): (?:NOQUEUE|[0-9A-F]{6,}|[0-9B-Zb-z]{12,}): (\w+): (CONNECT|XCLIENT|HELO|EHLO|MAIL|RCPT|DATA|VRFY|ETRN|END-OF-MESSAGE) (from .*)$/
        .exec(line);
    return match === null ? [] : [`${match[1]}: ${match[2]} ${match[3]}`];
  });
}

/** What Postfix says of obsolete words at each use and we once at the start; what is said of the grammar or of DNS records. */
const AT_START =
  /^support for restriction|^numeric domain name in resource data|is deprecated|is ignored$|^Illegal address syntax/;

/** The reason of a lookup error, of which Postfix warns before it says which table and key; ours stands in the same line. */
const REASON =
  /^connect to .*: Connection refused$|^table \S+ lookup error: |^\S+ socketmap server \w+ error/;

/** Lookup errors: which table and key; the reasons are worded by each. */
function warningEssence(text: string): string {
  return text.replace(/(lookup error for "[^"]*"|^mynetworks: .*instead|table lookup problem).*$/, "$1")
    .slice(0, 1900);
}

/** Postfix keeps the answers of blocklists for the life of a process, and warns of one in trouble once; we ask as the DNS says. */
const ONCE = /: RBL lookup error: /;

/** The warnings of smtpd's log, in order. */
function warningsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /(?:^smtpd|\/smtpd\[\d+\]): warning: (.*)$/.exec(line)?.[1] ?? [])
    .filter((text) => !AT_START.test(text) && !REASON.test(text)).map(warningEssence)
    .filter((text, at, all) => !ONCE.test(text) || all.indexOf(text) === at);
}

/** Declares a test for each scenario. `start` sets the world up before Postfix starts. */
export function compareScenarios(
  title: string,
  scenarios: readonly Scenario[],
  start?: () => Promise<ScenarioWorld>,
  sideBySide = start === undefined,
): void {
  const { afterAll, beforeAll, describe, test } = withPeers(title, "postfix", "root");
  describe(title, () => {
    let postfix: PostfixInstance | undefined;
    let world: ScenarioWorld = {};
    let ports: number[] = [];
    let compared = 0;
    const named = (text: string) =>
      text.replace(/%(\w+)%/g, (all, name: string) => world.names?.[name] ?? all);
    const settingsOf = (settings: Readonly<Record<string, string>>) =>
      Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, named(value)]));

    beforeAll(async () => {
      world = await start?.() ?? {};
      const known = scenarios.map((scenario) => ({ ...scenario, settings: settingsOf(scenario.settings) }));
      const main = { ...instanceSettings(known), ...settingsOf(world.settings ?? {}) };
      for (let attempt = 1; postfix === undefined; attempt++) {
        ports = await freePorts(scenarios.length);
        try {
          postfix = await startPostfix({
            main,
            master: masterLines(known, ports),
            nameServer: world.nameServer,
          });
        } catch (error) {
          // Somebody's outgoing connection may have taken one of the ports meanwhile.
          if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
        }
      }
    }, 180_000);

    afterAll(async () => {
      if (process.env.KEEP_LOG !== undefined) fs.writeFileSync(process.env.KEEP_LOG, postfix?.log() ?? "");
      await postfix?.stop();
      await world.close?.();
      console.log(`${compared} replies compared with Postfix`);
    });

    const declare = sideBySide ? test.concurrent : test;
    scenarios.forEach((scenario, at) => {
      declare(scenario.name, async () => {
        const main = settingsOf({
          ...COMMON,
          access_at_domain_keys: "no",
          ...world.settings,
          ...scenario.settings,
        });
        const text = Object.entries(main).map(([name, value]) => `${name} = ${value}\n`).join("");
        const { policy } = policyKit(text, world.deps);
        const house = memorySmtpd({ ...main, ...PLAIN_SERVER }, { access: policy });
        for (const { client = {}, commands } of scenario.sessions) {
          const real = await playSession(dial(ports[at]!, client.peer), client, commands);
          const ours = await playSession(enter(house, client.peer), client, commands);
          const lines = (replies: readonly string[]) =>
            replies.map((reply, i) => `${["(connect)", ...commands][i]} -> ${reply}`);
          compared += real.length;
          expect(lines(ours), JSON.stringify(client)).toEqual(lines(real));
        }
        policy.close();
        const linesOf = () => postfix!.log().split("\n").filter((line) => line.includes(`sc${at}/smtpd`));
        const ended = () => linesOf().filter((line) => line.includes(": disconnect from ")).length;
        await until("Postfix has ended its sessions", () => ended() >= scenario.sessions.length);
        const log = linesOf();
        expect(notesIn(house.log.lines)).toEqual(notesIn(log));
        if (scenario.routing !== true) expect(warningsIn(house.log.lines)).toEqual(warningsIn(log));
      }, 180_000);
    });
  });
}
