import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { configurationOf } from "../../test/kit/memory/memory_smtpd.ts";
import { memoryStore } from "../../test/kit/memory/memory_store.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { Draft } from "../queue/store.ts";
import { createLocalDomains } from "../rewrite/local_domains.ts";
import { createRewriter } from "../rewrite/rewriter.ts";
import { createOpenTables } from "../rewrite/open_tables.ts";
import type { Submission } from "./cleanup.ts";
import type { CleanupDeps } from "./cleanup_deps.ts";
import { openContentChecks } from "./content_checks.ts";
import { createCleanup } from "./create_cleanup.ts";
import type { MessageEdits } from "./stage.ts";

const ARRIVAL = Date.UTC(2026, 10, 25, 1, 54, 39);

function openTestCleanup(main: Readonly<Record<string, string>> = {}, stages?: CleanupDeps["stages"]) {
  const configuration = configurationOf(main);
  const { settings } = configuration;
  const log = memoryLog();
  const store = memoryStore(() => ARRIVAL);
  const openTables = createOpenTables({
    directory: "/nonexistent",
    parameter: (name) => configuration.parameter(name),
    warn: (text) => log.note("cleanup", "warning", text),
    clock: () => ARRIVAL,
  });
  const rewriter = createRewriter(
    settings,
    createLocalDomains(settings, ["127.0.0.1"], openTables),
    openTables,
  );
  const checks = openContentChecks(settings, openTables);
  return {
    cleanup: createCleanup({ settings, store, rewriter, log, checks, ...(stages && { stages }) }),
    store,
    log,
  };
}

const SUBMISSION: Submission = {
  id: "ABCDEF" as QueueId,
  arrival: ARRIVAL,
  sender: internalAddress("a@example.org"),
  recipients: [{
    address: internalAddress("b@example.com"),
    original: internalAddress("b@example.com"),
    notify: 0,
  }],
  origin: {},
  prepend: ["Received: by mail.example.com\r\n"],
  completeHeaders: true,
};

async function take(
  main: Readonly<Record<string, string>>,
  content: string,
  cuts: readonly number[] = [],
  changes: Partial<Submission> = {},
  stages?: CleanupDeps["stages"],
) {
  const { cleanup, store, log } = openTestCleanup(main, stages);
  const message = cleanup.begin({ ...SUBMISSION, ...changes });
  const bytes = Buffer.from(content, "latin1");
  const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) {
    const written = message.write(bytes.subarray(edges[i - 1], edges[i]));
    if (written instanceof Promise) await written;
  }
  const committed = await message.commit();
  const [stored] = store.messages.values();
  return {
    committed,
    text: stored === undefined ? undefined : Buffer.from(stored.bytes).toString("latin1"),
    envelope: stored?.envelope,
    log: log.lines,
  };
}

const CHECKS = {
  header_checks: "regexp:{{/^A:/ REPLACE Q: new}, {/^B/ IGNORE}, {/^C/ PREPEND P: p}}",
  mime_header_checks: "regexp:{{/^X/ IGNORE}, {/^Y/ REPLACE Z: z}}",
  body_checks: "regexp:{{/^a/ REPLACE line}, {/^b/ IGNORE}, {/^c/ PREPEND before}}",
};

const content = fc.array(
  fc.constantFrom(
    "A: 1\r\n",
    "B: 2\r\n folded\r\n",
    "Bcc: x\r\n",
    "C : y\r\n",
    "Content-Type: multipart/mixed; boundary=q\r\n",
    "Content-Type: message/rfc822\r\n",
    "X: 1\r\n y\r\n",
    "Y: 2\r\n",
    "From me\r\n",
    "\r\n",
    "--q\r\n",
    "--q--\r\n",
    "a line\r\n",
    "b line\r\n",
    "c\r\n",
    "é: \0\r\n",
    "\t\r\n",
  ),
  { maxLength: 14 },
).map((lines) => lines.join(""));

test("where the pieces are cut makes no difference, with and without content checks", async () => {
  await fc.assert(
    fc.asyncProperty(
      content,
      fc.array(fc.nat(200), { maxLength: 6 }),
      fc.boolean(),
      async (text, cuts, checked) => {
        const main = checked ? CHECKS : {};
        expect(await take(main, text, cuts)).toEqual(await take(main, text));
      },
    ),
    { numRuns: 600 },
  );
}, 60_000);

test("a message over message_size_limit leaves nothing behind, whatever its size", async () => {
  const main = { message_size_limit: "1000", mailbox_size_limit: "1000", virtual_mailbox_limit: "1000" };
  const { committed, text } = await take(main, `S: x\r\n\r\n${"x".repeat(2_000)}\r\n`, [500, 900, 1_200]);
  expect(committed).toEqual({
    is: "refused",
    reply: { code: 552, status: "5.3.4", lines: ["Error: message file too big"], errorClass: "bounce" },
  });
  expect(text).toBeUndefined();
});

test("a field without end is cut where header_size_limit says, and does not fill the memory", async () => {
  const unlimited = { message_size_limit: "0", mailbox_size_limit: "0", virtual_mailbox_limit: "0" };
  const { cleanup, store } = openTestCleanup(unlimited);
  const message = cleanup.begin(SUBMISSION);
  await message.write(Buffer.from("Subject: x\r\n"));
  for (let i = 0; i < 40; i++) await message.write(Buffer.from(` ${"y".repeat(65_000)}\r\n`));
  await message.write(Buffer.from("T: u\r\n\r\nbody\r\n"));
  expect(await message.commit()).toMatchObject({ is: "queued" });
  const text = Buffer.from([...store.messages.values()][0]!.bytes).toString("latin1");
  expect(text.length).toBeLessThan(103_000);
  expect(text).toMatch(/\r\n y+\r\nT: u\r\n/);
});

test("a single header over header_size_limit is cut", async () => {
  const { text } = await take({ header_size_limit: "100" }, `Subject: ${"x".repeat(500)}\r\n\r\nbody\r\n`);
  expect(text).toContain(`Subject: ${"x".repeat(91)}\r\n`);
  expect(text).toEndWith("\r\n\r\nbody\r\n");
});

test("longest line, 8-bit content and Message-ID are kept with the envelope", async () => {
  const short = await take({}, "Message-ID: <1@x>\r\n\r\nabc\r\n");
  expect(short.envelope).toMatchObject({ longestLine: 998, eightBit: undefined, messageId: "<1@x>" });
  const long = await take({}, `\r\n${"x".repeat(2_000)}\r\n\xff\r\n`, [1_200]);
  expect(long.envelope).toMatchObject({ longestLine: 2_000, eightBit: true });
});

test("always_bcc, the access action BCC and REDIRECT change the recipients", async () => {
  const addresses = async (main: Record<string, string>, changes: Partial<Submission>) =>
    (await take(main, "S: x\r\n", [], changes)).envelope?.recipients.map(({ address }) => address);
  expect<unknown>(await addresses({ always_bcc: "log@example.com" }, {})).toEqual([
    "b@example.com",
    "log@example.com",
  ]);
  expect<unknown>(await addresses({}, { bcc: ["c@example.com"] })).toEqual([
    "b@example.com",
    "c@example.com",
  ]);
  expect<unknown>(await addresses({}, { redirect: "d@example.com" })).toEqual(["d@example.com"]);
  expect<unknown>(
    await addresses({ always_bcc: "log@example.com", receive_override_options: "no_address_mappings" }, {}),
  )
    .toEqual(["b@example.com"]);
});

test("REDIRECT overrides all recipients and copies, is not looked up, and leaves the first one's original", async () => {
  const main = {
    always_bcc: "log@example.com",
    virtual_alias_maps: "inline:{{b@example.com=c@example.com,e@example.com},{d@example.com=f@example.com}}",
    recipient_canonical_maps: "inline:{{d@example.com=g@example.com}}",
  };
  const { envelope } = await take(main, "S: x\r\n", [], { redirect: "d@example.com" });
  expect(envelope?.recipients).toMatchObject([{ address: "d@example.com", original: "b@example.com" }]);
});

test("an alias loop is answered for now and queues nothing", async () => {
  const { committed, text } = await take({
    virtual_alias_maps: "inline:{{b@example.com = b+x@example.com}}",
    recipient_delimiter: "+",
    virtual_alias_recursion_limit: "3",
  }, "S: x\r\n");
  expect(committed).toMatchObject({ is: "refused", reply: { code: 451 } });
  expect(text).toBeUndefined();
});

test("notices made here pass by the content checks, unless they are asked for", async () => {
  const main = { header_checks: "regexp:{{/^Subject/ REJECT}}" };
  const notice = { kind: "bounce", sender: internalAddress("") } as const;
  expect((await take(main, "Subject: x\r\n", [], notice)).committed.is).toBe("queued");
  const asked = { ...main, internal_mail_filter_classes: "bounce" };
  expect((await take(asked, "Subject: x\r\n", [], notice)).committed.is).toBe("refused");
  const session = { ...notice, kind: "notify" } as const;
  expect((await take(asked, "Subject: x\r\n", [], session)).committed.is).toBe("queued");
  const both = { ...main, internal_mail_filter_classes: "notify" };
  expect((await take(both, "Subject: x\r\n", [], session)).committed.is).toBe("refused");
  expect((await take(both, "Subject: x\r\n", [], notice)).committed.is).toBe("queued");
});

test("what a sender wants of its message is kept; VERP only where it can be done", async () => {
  const taken = async (changes: Partial<Submission>) => {
    const { envelope, log } = await take({}, "S: x\r\n", [], changes);
    return [envelope?.verp, envelope?.trace, ...log.filter((line) => !line.includes("message-id="))];
  };
  expect(await taken({ verp: "-=", trace: "record" })).toEqual(["-=", "record"]);
  expect(await taken({ verp: "+=", sender: internalAddress("") })).toEqual([
    undefined,
    undefined,
    "cleanup: warning: ABCDEF: ignoring VERP request for null sender",
  ]);
  expect(await taken({ verp: "ab" })).toEqual([
    undefined,
    undefined,
    'cleanup: warning: ABCDEF: ignoring bad VERP request: "ab"',
  ]);
});

test("access DISCARD queues nothing and says it did", async () => {
  const { committed, text } = await take({}, "S: x\r\n", [], { discard: true });
  expect([committed.is, text]).toEqual(["queued", undefined]);
});

test("a header stays out of the body until it is endless; then it goes to the store as it comes, and comes out whole", async () => {
  const fields = Array.from({ length: 30_000 }, (_, i) => `X-Field-${i}: ${"v".repeat(i % 40)}\r\n`).join("");
  const content = `${fields}\r\nbody\r\n`;
  const cuts = Array.from({ length: 40 }, (_, i) => i * 20_011);
  for (const header_checks of ["", "regexp:{{/^nothing/ IGNORE}}"]) {
    const { cleanup, store } = openTestCleanup({ header_checks });
    const seen: number[] = [];
    const draft = store.draft.bind(store);
    let drafted: Draft | undefined;
    store.draft = (id) => drafted = draft(id);
    const message = cleanup.begin({ ...SUBMISSION });
    for (const [i, cut] of cuts.entries()) {
      await message.write(Buffer.from(content.slice(cut, cuts[i + 1] ?? content.length), "latin1"));
      seen.push(drafted!.size);
    }
    await message.commit();
    expect(seen[3]).toBe(0);
    expect(seen[30]).toBeGreaterThan(200_000);
    const [stored] = store.messages.values();
    const text = Buffer.from(stored!.bytes).toString("latin1");
    expect(text).toStartWith("Received: by mail.example.com\r\nX-Field-0: \r\n");
    expect(text.replace(/^Received:.*\r\n/, "").replace(/Message-Id: [^]*?\r\n\r\n/, "\r\n")).toBe(content);
  }
});

test("a check finds a part's header behind comments, blanks and every boundary", async () => {
  const main = { mime_header_checks: "regexp:{{/^X-Evil/ REJECT}}" };
  for (
    const type of [
      "(c) multipart/mixed; boundary=a",
      "multipart/mixed; (d) boundary=a",
      "multipart / mixed; boundary=a",
      "multipart/mixed; boundary=z; boundary=a",
      'multipart/mixed; boundary="\\a"',
    ]
  ) {
    const content = `Content-Type: ${type}\r\n\r\n--a\r\nX-Evil: 1\r\n\r\nx\r\n--a--\r\n`;
    expect((await take(main, content)).committed).toMatchObject({ is: "refused", reply: { code: 550 } });
  }
});

test("no check is left out: body_checks_size_limit 0 is none, lines over line_length_limit are seen in pieces", async () => {
  const main = { body_checks: "regexp:{{/^evil/ REJECT}}", body_checks_size_limit: "0" };
  const late = `S: x\r\n\r\n${"a line\r\n".repeat(20_000)}evil\r\n`;
  expect((await take(main, late)).committed.is).toBe("refused");
  expect((await take(main, `S: x\r\n\r\n${"y".repeat(2048 * 3)}evil\r\n`)).committed.is).toBe("refused");
});

test("a message that is nested more deeply than checks look into is refused", async () => {
  const parts = Array.from(
    { length: 6 },
    (_, i) => `--b${i}.\r\nContent-Type: multipart/x; boundary=b${i + 1}.\r\n\r\n`,
  );
  const content = `Content-Type: multipart/x; boundary=b0.\r\n\r\n${parts.join("")}`;
  const main = { mime_nesting_limit: "3", header_checks: "regexp:{{/^nothing/ REJECT}}" };
  const { committed, log } = await take(main, content);
  expect(committed).toEqual({
    is: "refused",
    reply: { code: 550, status: "5.6.0", lines: ["MIME nesting exceeds safety limit"], errorClass: "policy" },
  });
  expect(log.filter((line) => line.includes("mime-error"))).toHaveLength(1);
  expect((await take({ mime_nesting_limit: "3" }, content)).committed.is).toBe("queued");
});

const EIGHT_BIT = "Content-Transfer-Encoding: 8bit\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" +
  "--a\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n--a\r\n\r\nna\xefve\r\n--a--\r\n";

test("force_mime_input_conversion: what declares itself 8bit is quoted-printable before checks see it", async () => {
  const main = {
    force_mime_input_conversion: "yes",
    header_checks: "regexp:{{/^(Content-Tr.*)/ WARN}}",
    mime_header_checks: "regexp:{{/^(Content-Tr.*)/ WARN}}",
    body_checks: "regexp:{{/gr/ WARN}}",
  };
  const { text, log } = await take(main, EIGHT_BIT);
  expect(text).toEndWith(
    "\r\n\r\n--a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe\r\n--a\r\n\r\nna\xefve\r\n--a--\r\n",
  );
  expect(text).toContain(
    "\r\nContent-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: 7bit\r\n",
  );
  const seen = log.flatMap((line) => /warning: (.*) from local;/.exec(line)?.[1] ?? []);
  expect(seen).toEqual([
    "header Content-Transfer-Encoding: 7bit",
    "header Content-Transfer-Encoding: quoted-printable",
    "body gr=C3=BC=C3=9Fe",
  ]);
  expect((await take({ force_mime_input_conversion: "yes" }, EIGHT_BIT)).text).toBe(text);
  expect((await take({}, EIGHT_BIT)).text).toEndWith(EIGHT_BIT.slice(EIGHT_BIT.indexOf("\r\n\r\n")));
});

test("force_mime_input_conversion: what outgrows message_size_limit by it is refused", async () => {
  const long = `Content-Transfer-Encoding: 8bit\r\n\r\n${"\xe9".repeat(500)}\r\n`;
  const main = { message_size_limit: "1000" };
  expect((await take(main, long)).committed.is).toBe("queued");
  expect((await take({ ...main, force_mime_input_conversion: "yes" }, long)).committed).toMatchObject({
    is: "refused",
    reply: { code: 552, status: "5.3.4" },
  });
});

test("force_mime_input_conversion: where the content is cut makes no difference", async () => {
  const main = { force_mime_input_conversion: "yes" };
  const whole = (await take(main, EIGHT_BIT)).text;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(EIGHT_BIT.length), { maxLength: 6 }), async (cuts) => {
      expect((await take(main, EIGHT_BIT, cuts)).text).toBe(whole);
    }),
    { numRuns: 50 },
  );
});

test("after PASS nothing more is looked at; HOLD is logged once", async () => {
  const passed = await take(
    { header_checks: "regexp:{{/^A/ PASS}, {/^B/ REJECT}}" },
    "A: 1\r\nB: 2\r\n\r\nx\r\n",
  );
  expect(passed.committed.is).toBe("queued");
  expect(passed.log.some((line) => line.includes("ABCDEF: pass: header A: 1 from local;"))).toBe(true);
  const held = await take({ header_checks: "regexp:{{/^[AB]/ HOLD}}" }, "A: 1\r\nB: 2\r\n\r\nx\r\n");
  expect(held.envelope?.hold).toBe(true);
  expect(held.log.filter((line) => line.includes(": hold: "))).toHaveLength(1);
});

test("fields put on top by PREPEND count like those that were sent", async () => {
  const { text } = await take({ always_add_missing_headers: "yes" }, "S: x\r\n\r\nx\r\n", [], {
    prepend: ["Received: by mail.example.com\r\n", "Message-ID: <1@x>\r\n", "Bcc: no\r\n"],
  });
  expect(text).toContain("Message-ID: <1@x>\r\n");
  expect(text).not.toContain("Message-Id: ");
  expect(text).not.toContain("Bcc");
});

async function bodyOf(message: MessageEdits): Promise<string> {
  let text = "";
  for await (const piece of message.readBody()) text += Buffer.from(piece).toString("latin1");
  return text;
}

const MESSAGE = "Subject: x\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody\r\n";

test("several may follow a body: each hears all of it, one after the other, and nothing of what replaces it", async () => {
  const heard: string[] = [];
  const later = () => new Promise((resolve) => setTimeout(resolve, 1));
  const { text } = await take({}, MESSAGE, [35], {}, (_submission, message) => [{
    headerEnd() {
      const slow = async (bytes: Uint8Array) => {
        const piece = Buffer.from(bytes).toString();
        await later();
        heard.push(`first ${piece}`);
      };
      expect(message.follow(slow)).toBe(true);
      expect(message.follow((bytes) => void heard.push(`second ${Buffer.from(bytes)}`))).toBe(true);
    },
    async end() {
      expect(message.isBodyReplaced).toBe(false);
      await message.replaceBody((async function* () {
        yield await Promise.resolve(Buffer.from("\r\nnew\r\n"));
      })());
      expect(message.isBodyReplaced).toBe(true);
    },
  }]);
  const parts = (who: string) =>
    heard.filter((each) => each.startsWith(who)).map((each) => each.slice(who.length + 1));
  expect(parts("first").join("")).toBe("\r\nbody\r\n");
  expect(parts("second")).toEqual(parts("first"));
  expect(heard.map((each) => each.split(" ")[0])).toEqual(
    parts("first").flatMap(() => ["first", "second"]),
  );
  expect(text?.endsWith("\r\nnew\r\n")).toBe(true);
});

test("a stage may change header, body and envelope when all of the message is known", async () => {
  const later = () => new Promise((resolve) => setTimeout(resolve, 1));
  const [bodies, followed]: [string[], string[]] = [[], []];
  const { text, envelope } = await take({}, MESSAGE, [3, 20], {}, (_submission, message) => [{
    headerEnd: () => {
      expect(message.fields.slice(-1)).toEqual(["From: a@example.org\r\n"]);
      expect(message.follow((bytes) => void followed.push(Buffer.from(bytes).toString()))).toBe(true);
    },
    body: (bytes) => void bodies.push(bytes.toString()),
    async end() {
      await later();
      expect([await bodyOf(message), await bodyOf(message)]).toEqual(["\r\nbody\r\n", "\r\nbody\r\n"]);
      message.insertField(0, "X-Top: t");
      message.appendField("X-Last: l");
      expect(message.changeField("x-a", 2, "x-a: changed \xc3\xa9")).toBe(true);
      expect(message.deleteField("X-A", 1)).toBe(true);
      expect(message.deleteField("X-None", 1)).toBe(false);
      await message.replaceBody((async function* () {
        await later();
        yield Buffer.from("\r\nnew ");
        yield Buffer.from(`${"b".repeat(1500)}\r\n`);
      })());
      message.changeSender(internalAddress("new@example.org"));
      message.addRecipient({
        address: internalAddress("c@example.com"),
        original: internalAddress("c@example.com"),
        notify: 0,
      });
      expect(message.deleteRecipient(internalAddress("b@example.com"))).toBe(true);
      expect(message.deleteRecipient(internalAddress("z@example.com"))).toBe(false);
      message.hold();
    },
  }]);
  expect([bodies.join(""), followed.join("")]).toEqual(["\r\nbody\r\n", "\r\nbody\r\n"]);
  expect(text?.replace(/^Message-Id:.*\r\nDate:.*\r\n/m, "")).toBe(
    "X-Top: t\r\nReceived: by mail.example.com\r\nSubject: x\r\nx-a: changed \xc3\xa9\r\nFrom: a@example.org\r\nX-Last: l\r\n" +
      `\r\nnew ${"b".repeat(1500)}\r\n`,
  );
  expect(envelope).toMatchObject({
    sender: "new@example.org",
    recipients: [{ address: "c@example.com" }],
    hold: true,
    eightBit: true,
    longestLine: 1504,
  });
});

test("each stage sees what the ones before made of fields and bodies, content checks' work included", async () => {
  const seen: string[] = [];
  const { text } = await take(CHECKS, `A: 1\r\nB: 2\r\n${MESSAGE.replace("body", "a line")}`, [], {}, () => [
    {
      field: async ({ name, text }) => {
        seen.push(text.trim());
        await Promise.resolve();
        return name === "x-a" ? { text: "X-C: c\r\n", before: "X-B: b\r\n" } : {};
      },
      body: (bytes) => bytes.toString().replace("line", "LINE"),
    },
    { field: ({ text }) => (seen.push(`2 ${text.trim()}`), {}) },
  ]);
  expect(seen.slice(2, 8)).toEqual([
    "Q: new",
    "2 Q: new",
    "Subject: x",
    "2 Subject: x",
    "X-A: 1",
    "2 X-C: c",
  ]);
  expect(text).toContain("Q: new\r\nSubject: x\r\nX-B: b\r\nX-C: c\r\nX-B: b\r\nX-C: c\r\n");
  expect(text).toEndWith("\r\n\r\nLINE\r\n");
});

test("a stage that refuses or throws away ends the message, whenever it does", async () => {
  const reply = { code: 550, status: "5.7.1", lines: ["no"] } as const;
  for (const at of ["headerEnd", "body", "end"] as const) {
    const refused = await take({}, MESSAGE, [], {}, (_, message) => [{ [at]: () => message.refuse(reply) }]);
    expect([refused.committed, refused.text]).toEqual([{ is: "refused", reply }, undefined]);
    const gone = await take({}, MESSAGE, [], {}, (_, message) => [{ [at]: () => message.discard() }]);
    expect([gone.committed.is, gone.text]).toEqual(["queued", undefined]);
  }
});

test("the sender's wishes about TLS in the header become the envelope's", async () => {
  const wishes = async (header: string, main = {}, changes: Partial<Submission> = {}) => {
    const { envelope, log, text } = await take(main, `${header}\r\nbody\r\n`, [], changes);
    return {
      without: envelope?.tlsNotRequired,
      demanded: envelope?.requireTls,
      added: text!.includes("\r\nRequire-TLS-ESMTP: yes\r\n\r\nbody"),
      warned: log.filter((line) => line.includes("warning")),
    };
  };
  const none = { without: undefined, demanded: undefined, added: false, warned: [] };
  expect(await wishes("Subject: x\r\n")).toEqual(none);
  expect(await wishes("TLS-Required: No \r\n")).toEqual({ ...none, without: true });
  expect(await wishes("TLS-Required:\r\n no\r\n")).toEqual({ ...none, without: true });
  expect(await wishes("TLS-Required: yes\r\n")).toEqual({
    ...none,
    warned: ["cleanup: warning: ignoring malformed header: 'TLS-Required: yes'"],
  });
  expect(await wishes("TLS-Required: no\r\n", { tls_required_enable: "no" })).toEqual(none);
  const header = "require-tls-esmtp: YES\r\n";
  expect(await wishes(header)).toEqual({ ...none, demanded: true });
  expect(await wishes("Require-TLS-ESMTP: no\r\n")).toEqual(none);
  expect(await wishes(header, { requiretls_esmtp_header: "no" })).toEqual(none);
  expect(await wishes(header, { requiretls_enable: "no" })).toEqual(none);
  // As MAIL with REQUIRETLS came; the field goes along for filters that do not know it.
  const asked = { requireTls: true };
  expect(await wishes("Subject: x\r\n", {}, asked)).toEqual({ ...none, demanded: true, added: true });
  expect(await wishes(header, {}, asked)).toEqual({ ...none, demanded: true });
  expect(await wishes("Subject: x\r\n", { requiretls_esmtp_header: "no" }, asked)).toEqual({
    ...none,
    demanded: true,
  });
  // A part of the message has no wishes.
  const part = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nTLS-Required: no\r\n\r\n--b--\r\n';
  expect((await take({}, part)).envelope?.tlsNotRequired).toBeUndefined();
});

test("a user's full name stands in a From: that is missing, in the form that header_from_format says", async () => {
  const of = async (main: Readonly<Record<string, string>>, changes: Partial<Submission>) =>
    /^From: .*$/m.exec((await take(main, "Subject: x\r\n\r\n", [], changes)).text!)?.[0].trimEnd();
  const fullName = "Ann B. (x)";
  expect([
    await of({}, { fullName }),
    await of({ header_from_format: "obsolete" }, { fullName }),
    await of({}, { fullName: "Jürgen" }),
    await of({ full_name_encoding_charset: "iso-8859-1" }, { fullName: "Jürgen" }),
    await of({}, { fullName, sender: internalAddress("") }),
  ]).toEqual([
    'From: "Ann B. (x)" <a@example.org>',
    "From: a@example.org (Ann B. (x))",
    "From: =?utf-8?Q?J=C3=BCrgen?= <a@example.org>",
    "From: =?iso-8859-1?Q?J=FCrgen?= <a@example.org>",
    "From: MAILER-DAEMON",
  ]);
});

test("an address or a header field beyond ASCII asks for SMTPUTF8 where smtputf8_autodetect_classes has the source", async () => {
  const asks = async (classes: string, content: string, changes: Partial<Submission> = {}) => {
    const { envelope } = await take({ smtputf8_autodetect_classes: classes }, content, [], changes);
    return envelope!.smtputf8 === true;
  };
  const utf8 = "Subject: \xc3\xa9\r\n\r\n";
  const network = { origin: { clientName: "x", clientAddress: "192.0.2.1" } };
  expect([
    await asks("sendmail, verify", utf8),
    await asks("sendmail", "Subject: x\r\n\r\n\xc3\xa9\r\n"),
    await asks("sendmail", "Subject: x\r\n\r\n", { sender: internalAddress("jürgen@example.org") }),
    await asks("sendmail, verify", utf8, network),
    await asks("all", utf8, network),
    await asks("sendmail", utf8, { kind: "bounce" }),
  ]).toEqual([true, false, true, false, true, false]);
});

test("the refusal of a message that goes back has its envelope, and its header brought to its end", async () => {
  const main = {
    header_checks: "regexp:{{/^Subject: bad/ REJECT}, {/^X-Later/ IGNORE}}",
    virtual_alias_maps: "inline:{b@example.com=c@example.com}",
  };
  const content = "Subject: bad\r\nX-Later: y\r\n\r\nbody\r\n";
  const { committed, log } = await take(main, content, [], { isReturned: true });
  if (committed.is !== "refused") throw new Error("it is queued");
  expect(committed.refused?.envelope).toMatchObject({
    sender: "a@example.org",
    recipients: [{ address: "c@example.com", original: "b@example.com" }],
  });
  expect(committed.refused?.head.toString()).toMatch(
    /^Received: .*\r\nSubject: bad\r\nX-Later: y\r\nMessage-Id: <.*>\r\nDate: .*\r\nFrom: a@example.org\r\n/,
  );
  expect(log.filter((line) => line.includes("message-id="))).toHaveLength(1);
  expect((await take(main, content)).committed).not.toHaveProperty("refused");
});
