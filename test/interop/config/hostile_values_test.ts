// Tables whose values have line ends and control characters in them, beside the real Postfix: what becomes of these in headers,
// notices, replies and log lines.
import { expect, setDefaultTimeout } from "bun:test";
import { type Pair, startPair } from "../../kit/scenes/compare_delivery.ts";
import { startTcpTable, type TablePeer } from "../../kit/servers/table_peers.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, test } = withPeers(import.meta.path, "postfix", "root");

setDefaultTimeout(180_000);

const pairs: Pair[] = [];
const tables: TablePeer[] = [];
afterAll(async () => {
  for (const pair of pairs) await pair.stop();
  for (const table of tables) await table.close();
});

/** A tcp: table that holds these values, any bytes. */
async function table(values: Readonly<Record<string, string>>): Promise<string> {
  const peer = await startTcpTable((question) => {
    const value = values[decodeURIComponent(question.slice(4))];
    return value === undefined ? "500 none\n" : `200 ${encodeURIComponent(value)}\n`;
  });
  tables.push(peer);
  return `tcp:127.0.0.1:${peer.port}`;
}

const FORGED = "\r\nX-Inj: y\r\n\r\nbody";

test(
  "values with line ends add no header, no field of a notice and no log line",
  async () => {
    const pair = await startPair({
      notify_classes: "",
      smtpd_reject_unlisted_recipient: "no",
      smtpd_sender_restrictions: `check_sender_access ${await table({
        "prepend@example.com": `PREPEND X-A: b${FORGED}\x07\n folded`,
        "warn@example.com": "WARN words\r\npostfix/smtpd[1]: forged\x07",
        "redirect@example.com": "REDIRECT no\nbody@example.com",
      })}`,
      header_checks: await table({
        "Subject: prepend": "PREPEND X-P: q\nX-Inj: r\n s",
        "Subject: prepend no field": "PREPEND nothing\nX-Inj: r",
        "Subject: replace": "REPLACE Subject: s\nX-Inj: t\nbody",
        "Subject: warn": `WARN text${FORGED}\x07`,
      }),
      virtual_alias_maps: await table({ "quoted@example.com": `"no${FORGED}"@example.com` }),
      canonical_maps: await table({
        "a@example.com": '"x\r\nX-Inj: y\r\n\r\nbody"@example.com',
        "canonical@example.com": '"no\r\nX-Inj: y"@example.com',
        "sender@example.com": '"irc\nX-Inj: y"@example.com',
      }),
      transport_maps: await table({ "error.example": `error:5.7.1 no${FORGED}\x07é` }),
    });
    pairs.push(pair);
    const mail = (from: string, to: string, subject = "x") => ({
      from,
      to: [to],
      text:
        `From: <a@example.com>\nTo: <x@example.com>\nSubject: ${subject}\nMessage-Id: <1@x>\nDate: now\n\nhello\n`,
    });
    const [theirs, ours] = await pair.compare([
      mail("prepend@example.com", "games@example.com"),
      mail("warn@example.com", "games@example.com"),
      mail("redirect@example.com", "games@example.com"),
      mail("irc@example.com", "games@example.com", "prepend"),
      mail("irc@example.com", "games@example.com", "prepend no field"),
      mail("irc@example.com", "games@example.com", "replace"),
      mail("irc@example.com", "games@example.com", "warn"),
      mail("irc@example.com", "quoted@example.com"),
      mail("irc@example.com", "u@error.example"),
      mail("irc@example.com", "canonical@example.com"),
      mail("sender@example.com", "games@example.com"),
    ]);
    expect(ours.files).toEqual(theirs.files);
    expect(ours.lines).toEqual(theirs.lines);
  },
);
