// Clients, servers, tables and commands that want lines of their own in what the compiled binary writes: notices, mailboxes,
// replies and the log.
import { expect } from "bun:test";
import { mailbox } from "../../kit/mailbox.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { startTcpTable, type TablePeer } from "../../kit/servers/table_peers.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "root");

const FORGED = "\r\nX-Inj: y\r\n\r\nAction: delivered";
const XTEXT = FORGED.replaceAll("\r", "+0D").replaceAll("\n", "+0A").replaceAll(" ", "+20");

const FIELDS = new RegExp(
  "^(?:Reporting-MTA|Original-Envelope-Id|X-mta-(?:Queue-ID|Sender)|Arrival-Date|Final-Recipient|Original-Recipient|" +
    "Action|Status|Remote-MTA|Diagnostic-Code): | {4}",
);

/** The lines of the delivery-status part, its own headers left out. */
function statusLines(notice: string): string[] {
  const part = /\nContent-Type: message\/delivery-status\n[^]*?\n\n([^]*?)\n--/.exec(notice);
  return part?.[1]?.split("\n") ?? [];
}

describe("nobody writes a line of his own", () => {
  let table: TablePeer;
  let peer: SmtpPeer;
  let server: Server;

  beforeAll(async () => {
    const values: Readonly<Record<string, string>> = {
      "u@error.example": `error:5.7.1 no${FORGED}`,
      "prepend@example.com": `PREPEND X-A: b${FORGED}`,
      "refused@example.com": `REJECT no\r\n250 2.1.5 Ok${FORGED}`,
    };
    table = await startTcpTable((question) => {
      const value = values[decodeURIComponent(question.slice(4))];
      return value === undefined ? "500 none\n" : `200 ${encodeURIComponent(value)}\n`;
    });
    peer = await startSmtpPeer({
      ehlo: ["DSN"],
      rcpt: "550-5.1.1 first\r\n550 5.1.1 no\rX-Inj: y\r\r\rAction: delivered\0\x07\xff",
    });
    server = await startServer({
      mainCf: [
        "mydestination = example.com",
        "local_recipient_maps =",
        "alias_maps = texthash:$config_directory/aliases",
        "smtpd_reject_unlisted_recipient = no",
        `smtpd_sender_restrictions = check_sender_access tcp:127.0.0.1:${table.port}`,
        `transport_maps = inline:{far.example=smtp:[127.0.0.1]:${peer.port}} tcp:127.0.0.1:${table.port}`,
        "notify_classes =",
      ],
      files: { aliases: `command: "|printf 'no\\r\\nX-Inj: y\\r\\n\\r\\nAction: delivered'; exit 67"\n` },
    });
  });

  afterAll(async () => {
    await server?.stop();
    await table?.close();
    await peer?.close();
  });

  test("a notice has no field, recipient or part but its own", async () => {
    const client = await talk(server.port);
    await client.say("EHLO client.example");
    expect(await client.say(`MAIL FROM:<irc@example.com> ENVID=a${XTEXT}`)).toBe(
      "501 5.5.4 Bad ENVID parameter syntax",
    );
    const recipients = [
      "u@error.example",
      "bob@far.example",
      "command@example.com",
      "nobodyhere@example.com",
    ];
    for (const [at, recipient] of recipients.entries()) {
      expect(await client.say(`MAIL FROM:<irc@example.com> ENVID=mail${at}`)).toStartWith("250");
      expect(await client.say(`RCPT TO:<${recipient}> ORCPT=rfc822;o${XTEXT}`)).toStartWith("250");
      await client.say("DATA");
      expect(await client.say("Subject: x\r\n\r\nhello\r\n.")).toStartWith("250");
    }
    client.end();
    const box = `${server.directory}/mail/irc`;
    for (const at of recipients.keys()) await mailbox(box, `Original-Envelope-Id: mail${at}\n`);
    const notices = (await mailbox(box)).split(/^From MAILER-DAEMON .*$/m).slice(1);
    expect(notices).toHaveLength(recipients.length);
    for (const notice of notices) {
      const lines = statusLines(notice);
      expect(lines.filter((line) => line !== "" && !FIELDS.test(line))).toEqual([]);
      expect(lines.filter((line) => line === "")).toHaveLength(1);
      expect(lines.filter((line) => line.startsWith("Action: "))).toEqual(["Action: failed"]);
      expect(lines.find((line) => line.startsWith("Original-Recipient"))).toBe(
        "Original-Recipient: rfc822;o??X-Inj: y????Action: delivered",
      );
      expect(notice).not.toMatch(/^(?:X-Inj|Action: delivered)/m);
      expect(notice.match(/^--.*$/gm)).toHaveLength(4);
    }
    // What is passed on to the next server is what the notice shows.
    const [passed] = peer.lines.filter((line) => line.startsWith("RCPT"));
    expect(passed).toEndWith("ORCPT=rfc822;o??X-Inj:+20y????Action:+20delivered");
  }, 180_000);

  test("a table adds neither header nor reply", async () => {
    const client = await talk(server.port);
    await client.say("EHLO client.example");
    await client.say("MAIL FROM:<refused@example.com>");
    expect(await client.say("RCPT TO:<games@example.com>")).toBe(
      "554 5.7.1 <refused@example.com>: Sender address rejected: no  250 2.1.5 Ok  X-Inj: y    Action: delivered",
    );
    await client.say("RSET");
    await client.say("MAIL FROM:<prepend@example.com>");
    await client.say("RCPT TO:<games@example.com>");
    await client.say("DATA");
    expect(await client.say("Subject: x\r\n\r\nhello\r\n.")).toStartWith("250");
    client.end();
    const text = await mailbox(`${server.directory}/mail/games`, "Subject: x\n");
    expect(text).toContain("\nX-A: b  X-Inj: y    Action: delivered\n");
    expect(text).not.toMatch(/^(?:X-Inj|Action)/m);
  }, 180_000);

  test("every line of the log is one that the server began", () => {
    const lines = server.log().trimEnd().split("\n");
    expect(lines.filter((line) => !/^\w{3} [ \d]\d [\d:]{8} \S+ postfix\/[\w-]+\[\d+\]: /.test(line)))
      .toEqual([]);
    expect(server.log()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  });
});
