// The rules that mail of local users is under, beside the real pickup and cleanup: what arrives where, what goes back, what is logged.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, startServer } from "../../kit/server.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(240_000);
const { test } = withPeers(import.meta.path, "dist/mta", "postfix", "root");

interface System {
  readonly sendmail: string;
  readonly configDirectory: string;
  /** Where mail goes, and where content_filter leads. */
  readonly hop: SmtpPeer;
  readonly filter: SmtpPeer;
  log(): string;
  stop(): Promise<unknown>;
}

const EHLO = ["PIPELINING", "SIZE 10240000", "8BITMIME", "DSN"];
const CHECKS = `/^Subject: reject/ REJECT 5.7.9 not this
/^Subject: hold/ HOLD kept
/^Subject: discard/ DISCARD gone
/^Subject: warn/ WARN seen
/^Subject: redirect/ REDIRECT other@example.org
/^Subject: filter/ FILTER smtp:[127.0.0.1]:FILTER
/^Subject: prepend/ PREPEND X-Added: yes
/^Subject: copy/ BCC copy@example.org
`;

function mainFor(hop: SmtpPeer): Record<string, string> {
  return {
    myorigin: "example.com",
    mydestination: "localhost",
    relayhost: `[127.0.0.1]:${hop.port}`,
    mail_name: "Postfix",
    header_checks: "regexp:$config_directory/checks",
    body_checks: "regexp:{{/^refused line/ REJECT body}}",
    always_bcc: "archive@example.org",
    sender_bcc_maps: "inline:{ann@example.org=ofann@example.org}",
    recipient_bcc_maps: "inline:{bob@example.org=tobob@example.org}",
    virtual_alias_maps:
      "inline:{{list@example.com=bob@example.org,carl@example.org},{none@example.com=dan@example.org}}",
    sender_canonical_maps: "inline:{old@example.com=new@example.com}",
    recipient_canonical_maps: "inline:{was@example.org=is@example.org}",
  };
}

async function startBoth(options: readonly string[]): Promise<System[]> {
  const peers = await Promise.all([1, 2, 3, 4].map(() => startSmtpPeer({ ehlo: EHLO })));
  const [hop, filter, realHop, realFilter] = peers as [SmtpPeer, SmtpPeer, SmtpPeer, SmtpPeer];
  const pickup = (
    to: SmtpPeer,
  ) => [
    "pickup unix n - n 60 1 pickup",
    ...options.map((each) => `  -o ${each.replace("]:FILTER", `]:${to.port}`)}`),
  ];
  const checks = (to: SmtpPeer) => ({ checks: CHECKS.replace("]:FILTER", `]:${to.port}`) });
  const server = await startServer({
    mainCf: Object.entries(mainFor(hop)).map(([name, value]) => `${name} = ${value}`),
    masterCf: pickup(filter),
    files: checks(filter),
  });
  const postfix = await startPostfix({
    main: mainFor(realHop),
    master: pickup(realFilter).join("\n"),
    files: checks(realFilter),
  });
  return [
    {
      sendmail: BINARY,
      configDirectory: server.configDirectory,
      hop,
      filter,
      log: server.log,
      stop: () => server.stop(),
    },
    {
      sendmail: "/usr/sbin/sendmail",
      configDirectory: postfix.configDirectory,
      hop: realHop,
      filter: realFilter,
      log: postfix.log,
      stop: () => postfix.stop(),
    },
  ];
}

async function stopBoth(systems: readonly System[]): Promise<void> {
  for (const { hop, filter, stop } of systems) {
    await stop();
    await hop.close();
    await filter.close();
  }
}

function send(
  { sendmail, configDirectory }: System,
  args: readonly string[],
  input: string,
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(sendmail, args, {
      argv0: "sendmail",
      env: { PATH: "/usr/bin:/bin", MAIL_CONFIG: configDirectory },
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.on("error", reject).on("close", resolve);
    child.stdin.end(input);
  });
}

/** Ids, dates, numbers of processes and times are each system's own. */
function normal(text: string): string {
  return text
    .replace(/\b[0-9A-F]{10,12}\b/g, "ID")
    .replace(/(<)\d{14}(\.ID@)/g, "$1TIME$2")
    .replace(/\w{3}, [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, "DATE")
    .replace(/\bID\.\d+\//g, "ID.TIME/")
    .replace(/delays?=[\d./]+/g, "delay")
    .replace(/127\.0\.0\.1\]:\d+/g, "127.0.0.1]:PORT")
    .replace(/size=\d+/g, "size");
}

interface Seen {
  readonly hop: readonly unknown[];
  readonly filter: readonly unknown[];
  readonly log: readonly string[];
}

/** Lines of pickup, cleanup and bounce. */
function lines(log: string): string[] {
  return log.split("\n").flatMap((line) => {
    const [, program, text] = /postfix\/(pickup|cleanup|bounce)\[\d+\]: (.*)/.exec(line) ?? [];
    return program === undefined || /statistics/.test(text!) ? [] : [`${program}: ${normal(text!)}`];
  });
}

/** What has come of all calls so far. A line that several messages have is one. */
function seen({ hop, filter, log }: System): Seen {
  const mails = (peer: SmtpPeer) =>
    peer.mails.map(({ from, to, content }) => ({ from, to: [...to].sort(), content: normal(content) }))
      .sort((a, b) => `${a.content}${a.to}` < `${b.content}${b.to}` ? -1 : 1);
  return { hop: mails(hop), filter: mails(filter), log: [...new Set(lines(log()))].sort() };
}

const sizeOf = ({ hop, filter, log }: Seen) => hop.length + filter.length + log.length;

async function sendAll(system: System): Promise<void> {
  for (const [at, [args, subject, body = "body"]] of CALLS.entries()) {
    expect(await send(system, args, `Subject: ${subject} ${at}\n\n${body}\n`)).toBe(0);
  }
}

/** Whom it is sent to with which words, and what is sent. */
const CALLS: readonly (readonly [args: readonly string[], subject: string, body?: string])[] = [
  [["-f", "ann@example.org", "bob@example.org"], "copies"],
  [["-f", "s@example.org", "list@example.com"], "aliases"],
  [["-f", "old", "was@example.org"], "canonical addresses"],
  [["-f", "ann@example.org", "list@example.com", "eve@example.org"], "reject"],
  [["-f", "", "eve@example.org"], "reject"],
  [["-N", "never", "-f", "ann@example.org", "eve@example.org"], "reject"],
  [["-R", "full", "-V", "id", "-f", "ann@example.org", "eve@example.org"], "reject"],
  [["-f", "ann@example.org", "eve@example.org"], "body", "first\nrefused line\nlast"],
  [["-f", "ann@example.org", "none"], "hold"],
  [["-f", "ann@example.org", "none"], "discard"],
  [["-f", "ann@example.org", "eve@example.org"], "warn"],
  [["-f", "ann@example.org", "eve@example.org"], "redirect"],
  [["-f", "ann@example.org", "eve@example.org"], "filter"],
  [["-f", "ann@example.org", "eve@example.org"], "prepend"],
  [["-f", "ann@example.org", "eve@example.org"], "copy"],
];

const CASES = [
  ["as main.cf has it", []],
  [
    "with options of its own",
    ["receive_override_options=no_header_body_checks", "content_filter=smtp:[127.0.0.1]:FILTER"],
  ],
  ["without mappings", ["receive_override_options=no_address_mappings"]],
] as const;

test.each(CASES)("pickup %s: the same arrives, goes back and is logged", async (_what, options) => {
  const systems = await startBoth(options);
  try {
    const [ours, real] = systems as [System, System];
    await Promise.all(systems.map(sendAll));
    const isThrough = ({ log }: System) => log().match(/pickup\[\d+\]: \w+: uid=/g)?.length === CALLS.length;
    try {
      await until("the same of both", () => {
        const [one, other] = [seen(ours), seen(real)];
        return systems.every(isThrough) && other.hop.length + other.filter.length >= 8 &&
          sizeOf(one) === sizeOf(other) &&
          Bun.deepEquals(one, other);
      });
    } catch {
      expect(seen(ours)).toEqual(seen(real)); // shows where they differ
    }
  } finally {
    await stopBoth(systems);
  }
});
