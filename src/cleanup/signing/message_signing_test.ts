import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { configurationOf } from "../../../test/kit/memory/memory_smtpd.ts";
import { memoryStore } from "../../../test/kit/memory/memory_store.ts";
import { internalAddress } from "../../address/address.ts";
import type { DnsAnswer } from "../../dns/answer.ts";
import { ContentVerifier } from "../../mailauth/content_verifier.ts";
import { generateKey, parseSigningKey, publicRecord } from "../../mailauth/dkim/signing_key.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { createLocalDomains } from "../../rewrite/local_domains.ts";
import { createRewriter } from "../../rewrite/rewriter.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { DotStuffer } from "../../smtp/dot_stuffing.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import type { Submission } from "../cleanup.ts";
import type { CleanupDeps } from "../cleanup_deps.ts";
import { createCleanup } from "../create_cleanup.ts";
import { openSigning } from "./open_signing.ts";
import { SigningKeys } from "./signing_keys.ts";

const NOW = Date.UTC(2026, 10, 25, 1, 54, 39);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "signing-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const records = new Map<string, string>();

/** Makes a key, in a file and in the DNS; answers its entry. */
function keyOf(domain: string, selector: string, algorithm: "rsa-sha256" | "ed25519-sha256"): string {
  const pem = generateKey(algorithm);
  const file = path.join(folder, `${selector}.${domain}.pem`);
  fs.writeFileSync(file, pem);
  const key = parseSigningKey(domain, selector, pem);
  if ("fault" in key) throw new Error(key.fault);
  records.set(`${selector}._domainkey.${domain}`, publicRecord(key));
  return `${selector}:${file}`;
}

const RSA = keyOf("example.com", "rsa", "rsa-sha256");
const ED = keyOf("example.com", "ed", "ed25519-sha256");
const TABLE = `inline:{ { example.com = ${RSA}, ${ED} }, { .parent.example = ${
  keyOf("parent.example", "p", "rsa-sha256")
} } }`;

const resolver = {
  txt: (name: string): Promise<DnsAnswer<"TXT">> => {
    const text = records.get(name);
    if (text === undefined) return Promise.resolve({ is: "nxdomain", authentic: false });
    const record = { type: "TXT" as const, name, ttl: 60, text };
    return Promise.resolve({ is: "records", records: [record], canonical: name, authentic: false });
  },
};

const LOCAL: Submission = {
  id: "ABCDEF" as QueueId,
  arrival: NOW,
  sender: internalAddress("ann@example.com"),
  recipients: [{
    address: internalAddress("b@else.example"),
    original: internalAddress("b@else.example"),
    notify: 0,
  }],
  origin: {},
  prepend: ["Received: by mail.example.com\r\n"],
  completeHeaders: true,
};

interface Case {
  readonly main?: Readonly<Record<string, string>>;
  readonly submission?: Partial<Submission>;
  readonly stages?: CleanupDeps["stages"];
  readonly cuts?: readonly number[];
}

async function sign(content: string | Buffer, { main = {}, submission = {}, stages, cuts = [] }: Case = {}) {
  const configuration = configurationOf({
    myhostname: "mail.example.com",
    dkim_signing_keys: TABLE,
    ...main,
  });
  const { settings } = configuration;
  const log = memoryLog();
  const store = memoryStore(() => NOW);
  const warn = (text: string) => log.note("cleanup", "warning", text);
  const openTables = createOpenTables({
    directory: "/nonexistent",
    parameter: (name) => configuration.parameter(name),
    warn,
    clock: () => NOW,
  });
  const local = createLocalDomains(settings, ["127.0.0.1"], openTables);
  const signing = openSigning(settings, {
    openTables,
    keys: new SigningKeys(ownTlsFiles, warn),
    log,
    now: () => NOW,
  });
  const cleanup = createCleanup({
    settings,
    store,
    rewriter: createRewriter(settings, local, openTables),
    log,
    ...(signing !== undefined && { signing }),
    ...(stages !== undefined && { stages }),
  });
  const message = cleanup.begin({ ...LOCAL, ...submission });
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content, "latin1");
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) await message.write(bytes.subarray(edges[i - 1], edges[i]));
  const committed = await message.commit();
  const [stored] = store.messages.values();
  return {
    committed,
    text: stored === undefined ? "" : Buffer.from(stored.bytes).toString("latin1"),
    envelope: stored?.envelope,
    log: log.lines.filter((line) => line.includes("DKIM") || line.includes("breaking")),
  };
}

/** What a receiver makes of a message that came by SMTP: lines are cut, and a last line end is there. */
async function verify(text: string): Promise<readonly string[]> {
  const stuffer = new DotStuffer(998);
  const sent = Buffer.concat([...stuffer.push(Buffer.from(text, "latin1")), ...stuffer.end()]).toString(
    "latin1",
  );
  const wire = sent.replaceAll("\r\n..", "\r\n.");
  const end = wire.indexOf("\r\n\r\n");
  const head = end < 0 ? wire : wire.slice(0, end + 2);
  const verifier = new ContentVerifier({ resolver, now: () => NOW });
  verifier.header(head.split(/(?<=\r\n)(?![ \t])/));
  if (end >= 0) verifier.body(Buffer.from(wire.slice(end + 4), "latin1"));
  const { dkim } = await verifier.end();
  return dkim.map(({ is, selector, domain, why }) =>
    `${selector} ${domain} ${is}${is === "pass" ? "" : ` ${why}`}`
  );
}

const PASS = ["rsa example.com pass", "ed example.com pass"];
const HEADER = "From: Ann <ann@example.com>\r\nTo: b@else.example\r\nSubject: x\r\n";
const MIME =
  "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";

test.each<readonly [string, string]>([
  ["a usual message", `${HEADER}\r\nhello\r\n`],
  ["an empty body", `${HEADER}\r\n`],
  ["a header alone", HEADER],
  ["trailing blank lines", `${HEADER}\r\nhello\r\n\r\n \r\n\t\r\n\r\n`],
  ["blanks at the ends of lines", `${HEADER}\r\nhello \t \r\n  a   b\r\n.dot\r\n..\r\n`],
  ["no line end at the end", `${HEADER}\r\nhello`],
  ["8-bit text", `${HEADER}${MIME}\r\ngr\xc3\xbc\xc3\x9fe \r\n`],
  ["8-bit text that is not declared", `${HEADER}\r\ngr\xc3\xbc\xc3\x9fe\r\n`],
  ["long lines", `${HEADER}\r\n${"x".repeat(5000)}\r\n${"y ".repeat(2000)}\r\n`],
  ["long lines of 8-bit text", `${HEADER}${MIME}\r\n${"\xc3\xbc".repeat(3000)}\r\n`],
  ["a long line in the header", `${HEADER}References: ${"<a@b.example> ".repeat(200)}\r\n\r\nhello\r\n`],
  [
    "folded and repeated fields",
    `${HEADER}X: a\r\n b\r\nTo:\r\n\tc@else.example\r\nComments: 1\r\nComments: 2\r\n\r\nx\r\n`,
  ],
  ["no blank line", `${HEADER}no field\r\nhello\r\n`],
  ["a lone CR", `${HEADER}\r\na\rb\r\n`],
  [
    "parts",
    `${HEADER}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Transfer-Encoding: 8bit\r\n` +
    `X-Long: ${"z".repeat(1500)}\r\n\r\n\xe9\r\n--q\r\n\r\nplain\r\n--q--\r\n`,
  ],
])("what is signed verifies after a delivery: %s", async (_what, content) => {
  const { text, log } = await sign(content);
  expect(await verify(text)).toEqual(PASS);
  expect(log.filter((line) => line.includes("field added"))).toEqual([
    "cleanup: ABCDEF: DKIM-Signature field added (s=ed, d=example.com)",
    "cleanup: ABCDEF: DKIM-Signature field added (s=rsa, d=example.com)",
  ]);
  expect(text.startsWith("DKIM-Signature: ")).toBe(true);
});

test("any content is signed so that it verifies, wherever its pieces end", async () => {
  const line = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 30 }).map((text) => text.replace(/[\r\n\0]/g, "?")),
    fc.constantFrom(
      "",
      " ",
      "--q",
      "--q--",
      "Content-Transfer-Encoding: 8bit",
      ".",
      "\xe9 ",
      "w".repeat(1200),
    ),
  );
  const type = fc.constantFrom("", MIME, "Content-Type: multipart/mixed; boundary=q\r\n");
  await fc.assert(
    fc.asyncProperty(
      type,
      fc.array(line),
      fc.array(fc.nat(), { maxLength: 4 }),
      async (mime, lines, cuts) => {
        const content = `${HEADER}${mime}\r\n${lines.map((each) => `${each}\r\n`).join("")}`;
        const { text } = await sign(content, { cuts });
        expect(await verify(text)).toEqual(PASS);
      },
    ),
    { numRuns: 60 },
  );
});

test("8-bit text is converted before it is signed, and nothing is left to convert; unless dkim_mime_conversion says no", async () => {
  const content = `${HEADER}${MIME}\r\ngr\xc3\xbc\xc3\x9fe\r\n`;
  const { text, envelope } = await sign(content);
  expect(text).toContain("\r\nContent-Transfer-Encoding: quoted-printable\r\n");
  expect(text).not.toContain("8bit");
  expect(text).toContain("\r\n\r\ngr=C3=BC=C3=9Fe\r\n");
  expect([envelope?.eightBit, envelope?.body]).toEqual([undefined, undefined]);
  const kept = await sign(content, { main: { dkim_mime_conversion: "no" } });
  expect(kept.text).toContain("\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n");
  expect(await verify(kept.text)).toEqual(PASS);
  // Mail that is not signed stays as it came.
  const other = content.replace("ann@example.com", "ann@other.example");
  expect((await sign(other)).text).toContain("8bit");
});

test("whose mail is signed: local users', permitted clients', notices; not what strangers send, is forwarded, or goes through again", async () => {
  const client = { origin: { clientName: "x", clientAddress: "192.0.2.1" } };
  const signed = async (submission: Partial<Submission>, main = {}) =>
    (await sign(`${HEADER}\r\nx\r\n`, { submission, main })).text.includes("DKIM-Signature");
  expect([
    await signed({}),
    await signed({ ...client, signs: true }),
    await signed({ kind: "bounce", sender: internalAddress("") }),
    await signed({ kind: "notify" }),
  ]).toEqual([true, true, true, true]);
  expect([
    await signed(client),
    await signed({ ...client, signs: false }),
    await signed({ signs: false }),
    await signed({ kind: "mail" }),
    await signed({ replaces: "OLD" as QueueId }),
    await signed({}, { receive_override_options: "no_milters" }),
    await signed({}, { dkim_signing_keys: "" }),
  ]).toEqual([false, false, false, false, false, false, false]);
});

test("the domain of From: decides, the first one, after rewriting; a parent signs in its own name", async () => {
  const from = async (text: string, main = {}) =>
    await verify((await sign(`${text}\r\n\r\nx\r\n`, { main })).text);
  expect(await from("From: a@mail.parent.example")).toEqual(["p parent.example pass"]);
  expect(await from("From: a@parent.example")).toEqual([]);
  expect(await from("From: a@other.example, b@example.com")).toEqual([]);
  expect(await from("From: =?utf-8?Q?x?= <a@EXAMPLE.com>, b@other.example")).toEqual(PASS);
  expect(await from("From: a@old.example", { canonical_maps: "inline:{@old.example=@example.com}" })).toEqual(
    PASS,
  );
  expect(await from("From:")).toEqual([]);
});

test("no field that counts can be added or taken away behind the signature", async () => {
  const { text } = await sign(
    `${HEADER}Date: Wed, 25 Nov 2026 01:54:39 +0000\r\nMessage-ID: <1@x>\r\n\r\nx\r\n`,
  );
  for (
    const field of [
      "Subject: y",
      "From: z@z.example",
      "Reply-To: z@z.example",
      "Cc: z@z.example",
      "Date: now",
    ]
  ) {
    expect((await verify(`${field}\r\n${text}`)).join()).not.toContain("pass");
  }
  for (
    const field of ["Received: by z.example", "X-Spam: no", "Authentication-Results: z", "MIME-Version: 1.0"]
  ) {
    expect(await verify(`${field}\r\n${text}`)).toEqual(PASS);
  }
});

test("what filters change behind the preparation is signed as they leave it", async () => {
  const stages: CleanupDeps["stages"] = (_submission, message) => [{
    async end() {
      message.changeField("subject", 1, "Subject: changed");
      message.insertField(0, "X-Filter: yes");
      await message.replaceBody((async function* () {
        yield await Promise.resolve(Buffer.from("\r\nnew body \r\n"));
      })());
    },
  }];
  const { text } = await sign(`${HEADER}\r\nold\r\n`, { stages });
  expect(text).toContain("Subject: changed");
  expect(await verify(text)).toEqual(PASS);
  const renamed: CleanupDeps["stages"] = (_submission, message) => [{
    end: () => void message.changeField("from", 1, "From: a@example.com"),
  }];
  const other = HEADER.replace("ann@example.com", "ann@other.example");
  expect(await verify((await sign(`${other}\r\nold\r\n`, { stages: renamed })).text)).toEqual(PASS);
});

test("what cannot be sent as it is signed goes without a signature, and the log says why", async () => {
  const long = `X-Long: ${"x".repeat(1500)}\r\n`;
  const { text, log } = await sign(`${HEADER}${long}\r\nx\r\n`);
  expect(text).not.toContain("DKIM-Signature");
  expect(log).toEqual([
    "cleanup: warning: ABCDEF: no DKIM-Signature field added (d=example.com): a header line is over 998 bytes and cannot be folded",
  ]);
  const stages: CleanupDeps["stages"] = (_submission, message) => [{
    end: () =>
      message.replaceBody((async function* () {
        yield await Promise.resolve(Buffer.from(`\r\n${"x".repeat(1500)}\r\n`));
      })()),
  }];
  expect((await sign(`${HEADER}\r\nx\r\n`, { stages })).log[0]).toContain(
    "there are lines over 998 bytes in the body",
  );
  const endless = Array.from({ length: 300 }, (_, i) => `X-${i}: ${"a ".repeat(490)}\r\n`).join("");
  expect((await sign(`${HEADER}${endless}\r\nx\r\n`)).log[0]).toContain("the header is too large");
});

test("mail whose key cannot be had waits; a notice goes without; one good key of two is enough", async () => {
  const content = `${HEADER}\r\nx\r\n`;
  const main = { dkim_signing_keys: `inline:{example.com=s:${folder}/none.pem}` };
  const { committed, log } = await sign(content, { main });
  expect(committed).toMatchObject({ is: "refused", reply: { code: 451, status: "4.3.5" } });
  expect(log[1]).toBe(
    `cleanup: warning: ABCDEF: no DKIM-Signature field added (d=example.com): DKIM key s=s d=example.com: ${folder}/none.pem: ` +
      "No such file or directory -- message not accepted, try again later",
  );
  const notice = await sign(content, { main, submission: { kind: "bounce", sender: internalAddress("") } });
  expect([notice.committed.is, notice.text.includes("DKIM-Signature")]).toEqual(["queued", false]);
  const table = await sign(content, { main: { dkim_signing_keys: "fail:now" } });
  expect(table.committed).toMatchObject({ is: "refused", reply: { code: 451, status: "4.3.0" } });
  const half = { dkim_signing_keys: `inline:{{example.com=${RSA} s:${folder}/none.pem}}` };
  expect(await verify((await sign(content, { main: half })).text)).toEqual([PASS[0]!]);
});
