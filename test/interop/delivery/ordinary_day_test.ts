// The whole log of an ordinary day, beside the real Postfix's: every kind of line that one writes, the other writes too,
// and as often.
import { expect, setDefaultTimeout } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sessionsOver, unfinished } from "../../kit/scenes/at_rest.ts";
import { CLIENTS, kindOf, play } from "../../kit/scenes/ordinary_day.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(240_000);

const LONG = "x".repeat(100);
/** Next hops by their domain. */
const HOPS: Readonly<Record<string, PeerScript>> = {
  "ok.example": {},
  "gone.example": { rcpt: "550 5.1.1 no such user" },
  "later.example": { rcpt: "451 4.2.0 try again later" },
  "long.example": { rcpt: `550-5.1.1 ${Array(30).fill(LONG).join("\r\n550-5.1.1 ")}\r\n550 5.1.1 end` },
  "lines.example": { dot: "550-5.7.1 first\r\n550-5.7.1 second\r\n550 5.7.1 third" },
  "drop.example": { mail: "drop" },
  "helo.example": { ehlo: "502 no", helo: "250 ok" },
  "nosender.example": { mail: "553 5.1.8 no such sender" },
  "nodata.example": { data: "451 4.3.0 not now" },
  "inbody.example": { dot: "drop-in-body" },
  "nonsense.example": { mail: "what?\r\n250 2.1.0 ok" },
  "busy.example": { greeting: "421 4.3.2 busy" },
};

const CHECKS = "/^Subject: note/ WARN noted\n/^Subject: refuse/ REJECT no\n/^Subject: hold/ HOLD later\n";
const ALIASES = (directory: string) =>
  `team bob, carol\naway x@ok.example\ngone x@gone.example\nloop loop\ncmd "|exit 0"\ncmdlater "|exit 75"\ncmdno "|echo not you; exit 67"\nnolist :include:${directory}/nolist\nbob /dev/null\ncarol /dev/null\n`;

function main(hops: ReadonlyMap<string, SmtpPeer>, down: number): Record<string, string> {
  const transport = [...hops].map(([domain, { port }]) => `{${domain}=smtp:[127.0.0.1]:${port}}`);
  return {
    mydestination: "example.com",
    mydomain: "example.com",
    myorigin: "example.com",
    mynetworks: "127.0.0.0/8",
    alias_maps: "texthash:$config_directory/aliases",
    alias_database: "",
    local_recipient_maps: "$alias_maps",
    transport_maps: `inline:{${
      transport.join(", ")
    }, {error.example=error:5.1.1 gone}, {retry.example=retry:4.2.0 later}, {discard.example=discard:quietly}, {down.example=smtp:[127.0.0.1]:${down}}, {example.org=smtp:[127.0.0.1]:${
      hops.get("ok.example")!.port
    }}}`,
    smtpd_sender_restrictions:
      "check_sender_access inline:{{bad.example=REJECT go away}}, reject_non_fqdn_sender",
    smtpd_client_restrictions: "",
    virtual_alias_domains: "virtual.example",
    virtual_alias_maps: "inline:{v@virtual.example=bob@example.com}",
    virtual_mailbox_domains: "boxes.example",
    virtual_mailbox_maps: "inline:{box@boxes.example=box}",
    relocated_maps: "inline:{moved@example.com=new@example.org}",
    recipient_delimiter: "+",
    smtpd_recipient_limit: "3",
    smtpd_recipient_overshoot_limit: "1",
    message_size_limit: "50000",
    virtual_mailbox_limit: "0",
    mailbox_size_limit: "0",
    allow_mail_to_commands: "alias, forward",
    allow_mail_to_files: "alias, forward",
    header_checks: "regexp:$config_directory/checks",
    body_checks: "regexp:{{/^note this/ WARN noted}}",
    smtpd_timeout: "5s",
    smtpd_peername_lookup: "no",
    smtpd_hard_error_limit: "3",
    smtpd_soft_error_limit: "1",
    smtpd_error_sleep_time: "0",
    smtpd_forbid_bare_newline: "no",
    mail_name: "Postfix",
    smtp_connection_cache_on_demand: "no",
    minimal_backoff_time: "1000s",
    maximal_backoff_time: "4000s",
  };
}

/** What cleanup(8) says of messages that are refused before they are complete (docs/differences.md). */
const REAL_ONLY = ["1 cleanup: warning: mail_stream_cleanup: close error"];

/** Here it is said where the header was there before the message was too large: that is up to how its bytes came. */
const EITHER = "1 cleanup: ID: message-id=<large@example.org>";

/** Plays the day, and answers the kinds of lines, each with how often it came. */
async function kindsAt(port: number, log: () => string): Promise<Map<string, number>> {
  const before = log().length;
  const accepted: string[] = [];
  for (const client of CLIENTS) accepted.push(...await play(client, port));
  await atRest(() => log().slice(before), accepted);
  const kinds = new Map<string, number>();
  for (const line of log().slice(before).split("\n")) {
    const kind = kindOf(line);
    if (kind !== undefined) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}

/** Waits until every session is over, and everything that came of the mail. */
function atRest(log: () => string, accepted: readonly string[]): Promise<void> {
  return until(
    () => `the end of ${unfinished(log(), accepted)}:\n${log().slice(-3000)}`,
    () => sessionsOver(log()) >= CLIENTS.length && unfinished(log(), accepted).length === 0,
  );
}

test("every kind of line of an ordinary day is in both logs", async () => {
  const hops = new Map<string, SmtpPeer>();
  for (const [domain, script] of Object.entries(HOPS)) hops.set(domain, await startSmtpPeer(script));
  const settings = main(hops, await freePort());
  const directory = mkdtempSync(join(tmpdir(), "mta-day-"));
  chmodSync(directory, 0o755);
  const files = { aliases: ALIASES(directory), checks: CHECKS };
  const port = await freePort();
  let real: PostfixInstance | undefined;
  const mainCf = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const ours = await startServer({ mainCf, files });
  await ours.logged(/disconnect from/); // whoever looked whether it serves
  try {
    real = await startPostfix({ main: settings, master: `127.0.0.1:${port} inet n - n - - smtpd`, files });
    const [theirs, here] = await Promise.all([kindsAt(port, real.log), kindsAt(ours.port, ours.log)]);
    const only = (one: Map<string, number>, other: Map<string, number>) =>
      [...one].filter(([kind, times]) => other.get(kind) !== times).map(([kind, times]) => `${times} ${kind}`)
        .filter((line) => line !== EITHER)
        .sort();
    expect({ real: only(theirs, here), ours: only(here, theirs) }).toEqual({ real: REAL_ONLY, ours: [] });
  } finally {
    await real?.stop();
    await ours.stop();
    for (const hop of hops.values()) await hop.close();
    rmSync(directory, { recursive: true });
  }
});
