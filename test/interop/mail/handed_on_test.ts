// What the next hop gets of a message: commands with their parameters, recipients in order, content; by Postfix and by ours.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const TEXT = "Subject: x\r\n\r\nhello";
const EIGHT = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
const PLAIN_EIGHT = "Subject: x\r\n\r\nh\xc3\xa9";
const DECLARED = `${EIGHT}Content-Transfer-Encoding: 8bit\r\n\r\nh\xc3\xa9`;

interface Case {
  readonly mail?: string;
  readonly rcpt?: readonly string[];
  readonly content?: string;
  /** What the next hop can do. */
  readonly offers?: readonly string[];
  /** Messages that leave, where several do. */
  readonly copies?: number;
}

const ALL = ["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN", "SMTPUTF8"];
const SEVEN = ["PIPELINING", "SIZE 1000000", "DSN"];
const A = "<a@x.example>";
const B = ["<b@y.example>"];

const CASES: Readonly<Record<string, Case>> = {
  "nothing said of the body": { content: TEXT },
  "BODY=7BIT": { mail: `${A} BODY=7BIT`, content: TEXT },
  "BODY=8BITMIME, and seven bits": { mail: `${A} BODY=8BITMIME`, content: TEXT },
  "BODY=8BITMIME, and eight bits": { mail: `${A} BODY=8BITMIME`, content: DECLARED },
  "nothing said, and eight bits": { content: PLAIN_EIGHT },
  "nothing said, and a header that says 8bit": { content: DECLARED },
  "nothing said, a header that says 8bit, and seven bits": {
    content: `${EIGHT}Content-Transfer-Encoding: 8bit\r\n\r\nhello`,
  },
  "nothing said, and a header that says binary": {
    content: `${EIGHT}Content-Transfer-Encoding: binary\r\n\r\nh\xc3\xa9`,
  },
  "nothing said, and 8bit in a part": {
    content: "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" +
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nh\xc3\xa9\r\n--b--",
  },
  "BODY=7BIT, and eight bits": { mail: `${A} BODY=7BIT`, content: PLAIN_EIGHT },
  "BODY=7BIT, and eight bits that are declared": { mail: `${A} BODY=7BIT`, content: DECLARED },
  "to seven bits, nothing said, and eight bits": { content: PLAIN_EIGHT, offers: SEVEN },
  "to seven bits, and a header that says 8bit": { content: DECLARED, offers: SEVEN },
  "to seven bits, BODY=8BITMIME": { mail: `${A} BODY=8BITMIME`, content: DECLARED, offers: SEVEN },
  "to seven bits, BODY=7BIT and eight bits": { mail: `${A} BODY=7BIT`, content: PLAIN_EIGHT, offers: SEVEN },
  "to seven bits, seven bits": { content: TEXT, offers: SEVEN },
  "eight bits in the header": { content: "Subject: h\xc3\xa9\r\n\r\nhello" },
  "eight bits in the header, to seven bits": { content: "Subject: h\xc3\xa9\r\n\r\nhello", offers: SEVEN },
  "ORCPT is passed on": { rcpt: ["<b@y.example> ORCPT=rfc822;orig+2Bx@o.example"] },
  "NOTIFY, RET and ENVID": {
    mail: `${A} RET=HDRS ENVID=QQ+2B1`,
    rcpt: ["<b@y.example> NOTIFY=SUCCESS,FAILURE,DELAY", "<c@y.example> NOTIFY=NEVER", "<d@y.example>"],
  },
  "parameters in another order": {
    mail: `${A} ENVID=E RET=FULL SIZE=20`,
    rcpt: ["<b@y.example> ORCPT=rfc822;b@y.example NOTIFY=DELAY"],
  },
  "an address without a domain": { rcpt: ["<bob>"] },
  "a quoted address": { rcpt: ['<"b c"@y.example>', '<"quo\\"te"@y.example>'] },
  "a canonical address": { rcpt: ["<old@y.example>"] },
  "an alias": { rcpt: ["<alias@y.example>"] },
  "an alias with an ORCPT": {
    rcpt: ["<alias@y.example> ORCPT=rfc822;first@o.example NOTIFY=SUCCESS"],
    copies: 2,
  },
  "an alias of several": { rcpt: ["<list@y.example>"] },
  "a source route": { rcpt: ["<@r.example:b@y.example>"] },
  "percent and bang": { rcpt: ["<b%y.example@x.example>", "<y.example!b>"] },
  "capital letters": { rcpt: ["<Bob@Y.Example>"] },
  "the same twice": { rcpt: ["<b@y.example>", "<b@y.example>", "<B@y.example>"] },
  "many recipients, in their order": {
    rcpt: ["q", "a", "z", "m", "b", "k", "c"].map((name) => `<${name}@y.example>`),
  },
  "BCC by a recipient": { rcpt: ["<bcc@y.example>"] },
  "BCC by two recipients": { rcpt: ["<bcc@y.example>", "<bcc2@y.example>"] },
  "BCC, and NOTIFY": { rcpt: ["<bcc@y.example> NOTIFY=SUCCESS"] },
  "PREPEND by a sender and a recipient": { mail: "<prepend@x.example>", rcpt: ["<prepend@y.example>"] },
  "PREPEND, twice the same": { rcpt: ["<prepend@y.example>", "<prepend2@y.example>"] },
  "REDIRECT": { rcpt: ["<redirect@y.example>", "<b@y.example>"] },
  "a null sender": { mail: "<>", rcpt: B },
  "an extension": { rcpt: ["<b+ext@y.example>", "<old+ext@y.example>"] },
  "AUTH": { mail: `${A} AUTH=<>` },
  "an SMTPUTF8 message": {
    mail: "<\xc3\xa9@x.example> SMTPUTF8",
    rcpt: ["<b@y.example>"],
    content: "Subject: \xc3\xa9\r\n\r\nx",
  },
  "only Bcc": { content: "Bcc: x@y.example\r\nSubject: x\r\n\r\nx" },
};

let peer: SmtpPeer;
let postfix: PostfixInstance;
let server: Server;
let port: number;

beforeAll(async () => {
  peer = await startSmtpPeer();
  const main = {
    smtpd_recipient_restrictions: "check_recipient_access " +
      "inline:{{bcc@y.example=BCC copy@y.example},{bcc2@y.example=BCC copy@y.example}," +
      "{prepend@y.example=PREPEND X-R: 1},{prepend2@y.example=PREPEND X-R: 1}," +
      "{redirect@y.example=REDIRECT other@y.example}}, permit_mynetworks, reject",
    smtpd_sender_restrictions: "check_sender_access inline:{{prepend@x.example=PREPEND X-S: 1}}",
    smtpd_peername_lookup: "no",
    relayhost: `[127.0.0.1]:${peer.port}`,
    smtp_connection_cache_on_demand: "no",
    mydestination: "",
    mail_name: "Postfix",
    myorigin: "example.com",
    recipient_delimiter: "+",
    canonical_maps: "inline:{old@y.example=new@y.example}",
    virtual_alias_maps:
      "inline:{{alias@y.example=real@y.example},{list@y.example=l3@y.example l1@y.example l2@y.example}}",
    allow_untrusted_routing: "yes",
  };
  port = await freePort();
  postfix = await startPostfix({ main, master: `127.0.0.1:${port} inet n - n - - smtpd` });
  server = await startServer({ mainCf: Object.entries(main).map(([name, value]) => `${name} = ${value}`) });
});

afterAll(async () => {
  await server.stop();
  await postfix.stop();
  await peer.close();
});

const norm = (text: string) =>
  text.replace(/\((?:Postfix|mta)\)/g, "(NAME)").replace(/(Queue-ID: )\w+/g, "$1ID").replace(
    /\bid [0-9A-Z]{6,}/g,
    "id ID",
  )
    .replace(/<\d{14}\.[0-9A-Z]{6,}@/g, "<STAMP.ID@").replace(/ SIZE=\d+/g, " SIZE=N")
    .replace(/\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \+0000 \(UTC\)/g, "DATE").replace(
      /_Part_[\w.]+|[0-9A-F]{8,}\.\d+\/\S+/g,
      "BOUNDARY",
    );

async function handedOn({ mail = A, rcpt = B, content = TEXT, offers = ALL, copies = 1 }: Case, to: number) {
  peer.setScript({ ehlo: offers });
  const before = { lines: peer.lines.length, mails: peer.mails.length };
  const client = await talk(to);
  const replies = [await client.say("EHLO c.example")].slice(1);
  for (const line of [`MAIL FROM:${mail}`, ...rcpt.map((one) => `RCPT TO:${one}`), "DATA"]) {
    replies.push(await client.say(line));
  }
  const last = await client.say(`${content}\r\n.`);
  client.end();
  if (!last.startsWith("250")) return { replies, last };
  await until("the message", () => peer.mails.length >= before.mails + copies && peer.open === 0);
  return {
    replies,
    lines: peer.lines.slice(before.lines).filter((line) => !/^(?:EHLO|QUIT|DATA)/.test(line)).map(norm),
    mails: peer.mails.slice(before.mails).map(({ raw }) => norm(raw)),
  };
}

describe("the next hop gets", () => {
  for (const [name, each] of Object.entries(CASES)) {
    test(name, async () => {
      const theirs = await handedOn(each, port);
      expect(await handedOn(each, server.port)).toEqual(theirs);
    });
  }
});
