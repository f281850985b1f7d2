// What becomes of a message's content on its way in: ours beside the real Postfix's, byte by byte after names and times.
import { expect } from "bun:test";
import net from "node:net";
import { settle } from "../../kit/memory/fake_clock.ts";
import { masterLines } from "../../kit/scenes/live_line.ts";
import { BASE_MAIN_CF, memorySmtpd } from "../../kit/memory/memory_smtpd.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { freePort } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { chanceOf } from "../../kit/chance.ts";
import { ADDRESS_FORMS, addressLists } from "../../kit/scenes/address_forms.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "postfix", "root");

interface Case {
  readonly name: string;
  /** What follows DATA, end of data included. */
  readonly content: string;
  readonly rcpts?: readonly string[];
  readonly from?: string;
  readonly hello?: string;
}

const END = "\r\n.\r\n";

const CASES: readonly Case[] = [
  { name: "plain", content: `Subject: x\r\n\r\nhello${END}` },
  {
    name: "two recipients",
    content: `Subject: x\r\n\r\nhello${END}`,
    rcpts: ["<b@example.com>", "<c@example.com>"],
  },
  { name: "no HELO", content: `Subject: x\r\n\r\nhello${END}`, hello: "" },
  { name: "ESMTP", content: `Subject: x\r\n\r\nhello${END}`, hello: "EHLO client.example.org" },
  { name: "quoted recipient", content: `Subject: x\r\n\r\nhello${END}`, rcpts: ['<"a b"@example.com>'] },
  { name: "nothing", content: ".\r\n" },
  { name: "header only", content: `Subject: x${END}` },
  { name: "body only", content: `\r\nhello${END}` },
  { name: "no header", content: `hello there\r\nworld${END}` },
  { name: "dots", content: `S: x\r\n\r\n..a\r\n...\r\na.\r\n.b${END}` },
  { name: "bare newlines", content: `S: a\r\nT: b\r\n\r\nb\rc\nd\r\r\n\r\nx\n.\r\ny\r\n.\nz\n.q\n..${END}` },
  {
    name: "bare newlines in the header",
    content: `S: a\nT: b\rc\r\r\n\td\r\nU: \0x\r\n y\r\nV: z\r\n\r\n\0${END}`,
  },
  { name: "mbox line", content: `From foo@bar Mon\r\n>From x\r\nSubject : x\r\nX:y\r\n\r\nx${END}` },
  { name: "mbox line in the middle", content: `Subject: x\r\nFrom bar\r\nx${END}` },
  {
    name: "dropped headers",
    content:
      `Bcc: z\r\nA: b\r\nBCC : foo,\r\n bar\r\nContent-Length: 5\r\nreturn-path: <q>\r\nC: d\r\n\r\nx${END}`,
  },
  {
    name: "present ones stay",
    content: `From: a@b.example\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nx${END}`,
  },
  { name: "empty ones stay", content: `From:\r\nDate:\r\nMessage-ID:\r\n\r\nx${END}` },
  { name: "resent", content: `Resent-To: x@example.org\r\nMessage-Id: <x@y>\r\n\r\nx${END}` },
  {
    name: "resent, complete",
    content: `Resent-From: x@example.org\r\nResent-Date: x\r\nResent-Message-ID: <2@y>\r\n\r\nx${END}`,
  },
  { name: "blank continuation", content: `A: b\r\n  \r\nC: d\r\n\t\r\n\r\nx${END}` },
  { name: "colon first", content: `: x\r\ny${END}` },
  { name: "blank in the name", content: `X y: z\r\n\r\nq${END}` },
  { name: "null sender", content: `Subject: x\r\n\r\nx${END}`, from: "<>" },
  { name: "quoted sender", content: `Subject: x\r\n\r\nx${END}`, from: '<"a b"@example.org>' },
  { name: "bare sender", content: `Subject: x\r\n\r\nx${END}`, from: "<alice>" },
  {
    name: "addresses",
    content: `From: a\r\nTo: b@example.org, c <d>\r\nCc: e@x\r\nSubject: f\r\n\r\nx${END}`,
  },
  {
    name: "addresses that stay",
    content: `From: "A, B" <a@example.org> (x)\r\nTo: group: b@example.org, c@example.org;\r\n\r\nx${END}`,
  },
  { name: "eight bit", content: `Subject: \xc3\xa9\r\n\r\n\xff\xe9${END}` },
  {
    name: "Received",
    content: `Received: by x; y\r\nReceived: by z\r\n\tid q; w\r\nSubject: x\r\n\r\nx${END}`,
  },
  { name: "long line", content: `Subject: x\r\n\r\n${"y".repeat(900)}\r\nz${END}` },
  { name: "no blank line before the body", content: `Subject: x\r\nTo: y@example.org\r\nbody\r\nmore${END}` },
  { name: "body ends in blank lines", content: `Subject: x\r\n\r\nx\r\n\r\n\r\n${END.slice(2)}` },
];

const CHECKED_CASES: readonly Case[] = [
  {
    name: "header actions",
    content:
      `A: 1\r\nB: 2\r\n folded\r\nSubject: x\r\nC: 3\r\nD: 4\r\nE: 5\r\nFrom: f@example.org\r\n\r\nx${END}`,
  },
  { name: "body actions", content: `S: x\r\n\r\nrepl a\r\n\r\nprep b\r\nign c\r\nd\r\nrepl${END}` },
  { name: "header replaced by one that is dropped", content: `D: 4\r\n\r\nx${END}` },
  {
    name: "parts",
    content:
      `Content-Type: multipart/mixed; boundary=b\r\n\r\nrepl\r\n--b\r\nX-Part: 1\r\n f\r\nX-Part: 2\r\n\r\nrepl\r\n` +
      `--b\r\n\r\nign\r\nno\r\n--b\r\nbody at once\r\n--b--\r\nrepl\r\n--b\r\nX-Part: 3${END}`,
  },
  { name: "header check, no body", content: `A: 1${END}` },
];

/** Fields of addresses, alone and in lists, where they are rewritten. */
function addressCases(): readonly Case[] {
  const { random } = chanceOf(import.meta.path);
  const below = (n: number) => Math.floor(random() * n);
  const fields = [...ADDRESS_FORMS.map((form) => `To: ${form}`), ...addressLists(150, below)];
  return fields.map((field) => ({ name: JSON.stringify(field), content: `${field}\r\n\r\nx${END}` }));
}

const CHECKS = {
  header_checks:
    "regexp:{{/^A:/ REPLACE Q: new}, {/^B:/ IGNORE}, {/^C:/ PREPEND P: p}, {/^D:/ REPLACE Bcc: z}, " +
    "{/^E:/ REPLACE E : w}, {/^From:/ STRIP}}",
  mime_header_checks: "regexp:{{/^X-Part: 1/ REPLACE Y: y}, {/^X-Part: 2/ IGNORE}}",
  body_checks: "regexp:{{/^repl/ REPLACE new line}, {/^prep/ PREPEND before}, {/^ign/ IGNORE}}",
};

function norm(text: string): string {
  return text
    .replace(/\((?:Postfix|mta)\)/g, "(NAME)")
    .replace(/\bid [0-9A-Z]{6,}/g, "id ID")
    .replace(/<\d{14}\.[0-9A-Z]{6,}@/g, "<STAMP.ID@")
    .replace(/\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \+0000 \(UTC\)/g, "DATE");
}

function dialogue(
  { content, rcpts = ["<b@example.com>"], from = "<a@example.org>", hello = "HELO client" }: Case,
) {
  const commands = [`MAIL FROM:${from}`, ...rcpts.map((rcpt) => `RCPT TO:${rcpt}`), "DATA"];
  return [...(hello === "" ? [] : [hello]), ...commands].map((line) => `${line}\r\n`).concat(content);
}

async function ours(each: Case, main: Record<string, string>): Promise<string> {
  const house = memorySmtpd(main);
  const connection = house.connect();
  await settle();
  for (const part of dialogue(each)) {
    connection.send(Buffer.from(part, "latin1"));
    await settle();
  }
  const [message] = house.store.messages.values();
  const refused = () => `${connection.read().trimEnd().split("\r\n").at(-1)}\r\n`;
  return message === undefined ? refused() : Buffer.from(message.bytes).toString("latin1");
}

async function theirs(each: Case, port: number, peer: SmtpPeer): Promise<string> {
  const before = peer.mails.length;
  const socket = net.connect(port, "127.0.0.1");
  const answer = () =>
    new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString())));
  await answer();
  let last = "";
  for (const part of dialogue(each)) {
    socket.write(Buffer.from(part, "latin1"));
    last = await answer();
  }
  socket.end("QUIT\r\n");
  if (!last.startsWith("250")) return last;
  await until("the message", () => peer.mails.length > before);
  return peer.mails[before]!.content;
}

const CONTEXTS: Readonly<Record<string, Record<string, string>>> = {
  remote: { local_header_rewrite_clients: "" },
  local: { local_header_rewrite_clients: "permit_inet_interfaces" },
  mapped: {
    local_header_rewrite_clients: "permit_inet_interfaces",
    canonical_maps: "inline:{a@b.example=new@c.example,a@example.com=long.name@d.example}",
    masquerade_domains: "example",
  },
  checked: { local_header_rewrite_clients: "permit_inet_interfaces", ...CHECKS },
};

let postfix: PostfixInstance | undefined;
let peer: SmtpPeer;
const ports: Record<string, number> = {};

beforeAll(async () => {
  peer = await startSmtpPeer();
  const hop = `smtp:[127.0.0.1]:${peer.port}`;
  let master = "";
  for (const [name, main] of Object.entries({ ...CONTEXTS, ...RULES })) {
    ports[name] = await freePort();
    const transcript = { title: "", file: "", main, client: undefined, only: undefined, steps: [], logs: [] };
    master += masterLines(transcript, ports[name]!, BASE_MAIN_CF);
  }
  postfix = await startPostfix({
    main: {
      ...BASE_MAIN_CF,
      default_transport: hop,
      local_transport: hop,
      smtp_dns_support_level: "disabled",
    },
    master,
  });
}, 180_000);

afterAll(async () => {
  await postfix?.stop();
  await peer?.close();
});

const forms = addressCases();

const PART = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
const RULED_CASES: readonly Case[] = [
  { name: "seven bits", content: `Subject: x\r\n\r\nhello${END}` },
  { name: "eight bits in the header", content: `Subject: \xc3\xa9\r\n\r\nx${END}` },
  { name: "eight bits in the body", content: `Subject: x\r\n\r\n\xc3\xa9${END}` },
  {
    name: "eight bits that are declared",
    content: `MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9${END}`,
  },
  {
    name: "eight bits where 7bit is declared",
    content: `MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\xc3\xa9${END}`,
  },
  {
    name: "a part of a composite type that is encoded",
    content: `MIME-Version: 1.0\r\n${PART}Content-Type: multipart/mixed; boundary=c\r\n` +
      `Content-Transfer-Encoding: base64\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--${END}`,
  },
  {
    name: "eight bits in a part's header",
    content: `MIME-Version: 1.0\r\n${PART}Content-Description: \xc3\xa9\r\n\r\nx\r\n--b--${END}`,
  },
  {
    name: "eight bits in a part",
    content: `MIME-Version: 1.0\r\n${PART}Content-Type: text/plain\r\n\r\n\xc3\xa9\r\n--b--${END}`,
  },
  { name: "a NUL in the header", content: `Subject: a\0b\r\n\r\nx${END}` },
  { name: "a NUL in the body", content: `Subject: x\r\n\r\na\0b${END}` },
  { name: "a bell and a letter to strip", content: `Subject: a\x07b\r\n\r\nc\x07d\x08${END}` },
  { name: "no recipient in the header", content: `From: a@x.example\r\n\r\nx${END}` },
  { name: "Bcc alone", content: `Bcc: b@y.example\r\n\r\nx${END}` },
  { name: "addresses without domains", content: `From: ann\r\nTo: bob, c@d\r\nReply-To: <x>\r\n\r\nx${END}` },
  {
    name: "a header over the limit",
    content: `To: a@b.example\r\nX: ${"y".repeat(300)}\r\nSubject: s\r\n\r\nx${END}`,
  },
  {
    name: "a folded header over the limit",
    content: `X: ${`${"y".repeat(60)}\r\n `.repeat(6)}z\r\nSubject: s\r\n\r\nx${END}`,
  },
  { name: "many levels of parts", content: `MIME-Version: 1.0\r\n${nested(12)}${END}` },
  { name: "a boundary over the limit", content: longBoundary() },
  { name: "a line put before a field, that is none", content: `X-None: 1\r\nX-Space: 2\r\n\r\nx${END}` },
];

function nested(levels: number): string {
  return Array.from(
    { length: levels },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  ).join("") + "\r\nx";
}

function longBoundary(): string {
  const boundary = "b".repeat(100);
  return `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=${boundary}\r\n\r\n` +
    `--${boundary}1\r\nX-A: b\r\n\r\nx\r\n--${boundary}--\r\nX-C: d${END}`;
}

/** One rule at a time. */
const RULES: Readonly<Record<string, Record<string, string>>> = {
  "remote domain": { local_header_rewrite_clients: "", remote_header_rewrite_domain: "domain.invalid" },
  "missing headers": { local_header_rewrite_clients: "", always_add_missing_headers: "yes" },
  "undisclosed": {
    undisclosed_recipients_header: "To: nobody:;",
    local_header_rewrite_clients: "permit_inet_interfaces",
  },
  "reject characters": { message_reject_characters: "\\0\\7" },
  "strip characters": { message_strip_characters: "\\0\\7\\10" },
  "seven bits in headers": { strict_7bit_headers: "yes" },
  "8BITMIME": { strict_8bitmime: "yes" },
  "8BITMIME in bodies": { strict_8bitmime_body: "yes" },
  "encoded domains": { strict_mime_encoding_domain: "yes" },
  "no MIME": { disable_mime_input_processing: "yes", strict_8bitmime: "yes" },
  "header size": { header_size_limit: "256" },
  "nesting": { mime_nesting_limit: "5", strict_mime_encoding_domain: "yes" },
  "boundary": { mime_boundary_length_limit: "70", mime_header_checks: "regexp:{{/^X-A/ IGNORE}}" },
  "prepended": { header_checks: "regexp:{{/^X-None/ PREPEND no header}, {/^X-Space/ PREPEND  X y: z}}" },
};

function casesIn(context: string): readonly Case[] {
  if (context === "checked") return CHECKED_CASES;
  // The daemon that completes addresses does not know of an option of another one.
  if (context === "remote domain") {
    return RULED_CASES.filter(({ name }) => name !== "addresses without domains");
  }
  if (Object.hasOwn(RULES, context)) return RULED_CASES;
  return context === "remote" ? CASES : [...CASES, ...forms];
}

for (const [name, main] of Object.entries({ ...CONTEXTS, ...RULES })) {
  for (const each of casesIn(name)) {
    test(`${name}: ${each.name}`, async () => {
      const wanted = norm(await theirs(each, ports[name]!, peer));
      expect(norm(await ours(each, main))).toBe(wanted);
    }, 180_000);
  }
}
