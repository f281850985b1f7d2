import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { policyKit } from "../../test/kit/policy.ts";
import { NOTIFY, type Recipient } from "../queue/envelope.ts";
import { parseAddressList } from "./result_addresses.ts";
import { printTokens, scanTokens } from "./tokens.ts";

const MAIN = `
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
myorigin = example.com
mydestination = example.com
recipient_delimiter = +
`;
const recipient = (address: string, more: Partial<Recipient> = {}): Recipient => ({
  address: internalAddress(address),
  original: internalAddress(address),
  notify: 0,
  ...more,
});

test.each([
  ["bob", "bob@example.com"],
  ["bob@host", "bob@host"],
  ["bob@host.example.", "bob@host.example"],
  ["a%b", "a@b"],
  ["a!b", "b@a"],
  ["@hop.example:bob@x.example", "bob@x.example"],
  ["@", "@"],
  ["a b", "a b@example.com"],
  ["", ""],
])("the local standard form of %j is %j", (given, want) => {
  expect<unknown>(policyKit(MAIN).rewriter.standardForm(given, "local")).toBe(want);
});

test("remote headers are left alone unless remote_header_rewrite_domain is set", () => {
  expect(policyKit(MAIN).rewriter.rewritesHeaders("remote")).toBe(false);
  const { rewriter } = policyKit(`${MAIN}remote_header_rewrite_domain = domain.invalid\n`);
  expect(rewriter.rewritesHeaders("remote")).toBe(true);
  expect<unknown>(rewriter.header("header_sender", "bob", "remote")).toBe("bob@domain.invalid");
});

test.each([
  ["joe@a", ["joe@a"]],
  ["joe@a, jane@b", ["joe@a", "jane@b"]],
  ["joe@a jane@b", ["joe@a", "jane@b"]],
  ['"jane roe"@b', ["jane roe@b"]],
  ["Joe <joe@a>, jane@b (Jane)", ["joe@a", "jane@b"]],
  [",", []],
  ["\\joe@a", ["joe@a"]],
])("a table result %j names %j", (text, want) => {
  expect(parseAddressList(text)).toEqual(want);
});

test("one alias that wants a success notice is expanded and passes on the rest", async () => {
  const { rewriter } = policyKit(
    `${MAIN}virtual_alias_maps = inline:{{list@example.com=a@example.com, b@example.com}}\n`,
  );
  const list = recipient("list@example.com", {
    notify: NOTIFY.success | NOTIFY.failure,
    orcpt: "rfc822;list@x",
  });
  const only = recipient("list@example.com", { notify: NOTIFY.success, original: internalAddress("second") });
  const expansion = await rewriter.expandRecipients("s@example.org", [list, only]);
  expect<unknown>(expansion).toEqual({
    is: "recipients",
    recipients: [
      { ...list, address: "a@example.com", notify: NOTIFY.failure },
      { ...list, address: "b@example.com", notify: NOTIFY.failure },
      {
        address: "a@example.com",
        original: "second",
        orcpt: "rfc822;list@example.com",
        notify: NOTIFY.never,
      },
      {
        address: "b@example.com",
        original: "second",
        orcpt: "rfc822;list@example.com",
        notify: NOTIFY.never,
      },
    ],
    expanded: [list, { ...only, orcpt: "rfc822;list@example.com" }],
  });
});

test("two aliases to one address deliver twice, unless enable_original_recipient = no", async () => {
  const maps = "virtual_alias_maps = inline:{x@example.com=z@example.com,y@example.com=z@example.com}\n";
  const count = async (main: string) => {
    const expansion = await policyKit(main).rewriter.expandRecipients("", [
      recipient("x@example.com"),
      recipient("y@example.com"),
    ]);
    return expansion.is === "recipients" ? expansion.recipients.length : -1;
  };
  expect(await count(MAIN + maps)).toBe(2);
  expect(await count(`${MAIN}${maps}enable_original_recipient = no\n`)).toBe(1);
});

test("an alias loop, a huge list and an endless address are each 451 4.6.0", async () => {
  const many = Array.from({ length: 30 }, (_, at) => `u${at}@example.com`).join(", ");
  const { rewriter } = policyKit(`${MAIN}
virtual_alias_expansion_limit = 20
virtual_alias_address_length_limit = 40
virtual_alias_maps = inline:{{a@example.com=b@example.com},{b@example.com=a@example.com},{many@example.com=${many}},{long@example.com=${
    "x".repeat(50)
  }@example.com}}
`);
  for (const address of ["a@example.com", "many@example.com", "long@example.com"]) {
    const expansion = await rewriter.expandRecipients("", [recipient(address)]);
    expect(expansion).toMatchObject({ is: "trouble", status: "4.6.0", text: "Alias expansion error" });
  }
});

test("a table that fails refuses the message for now and says which", async () => {
  const { rewriter } = policyKit(`${MAIN}virtual_alias_maps = fail:broken\n`);
  const expansion = await rewriter.expandRecipients("", [recipient("a@example.com")]);
  expect(expansion).toMatchObject({
    is: "trouble",
    status: "4.3.0",
    why: expect.stringContaining("virtual_alias_maps"),
  });
});

test("copies go to nobody who must hear of them, and follow what they are copies of", async () => {
  const { rewriter } = policyKit(`${MAIN}
sender_bcc_maps = inline:{s@example.org=audit@example.com}
recipient_bcc_maps = inline:{a@example.com=copy}
`);
  const expansion = await rewriter.expandRecipients("s@example.org", [recipient("a@example.com")], {
    bcc: [{ address: "all", notify: 0 }],
  });
  expect<unknown>(
    expansion.is === "recipients" ? expansion.recipients.map((each) => [each.address, each.notify]) : [],
  )
    .toEqual([
      ["audit@example.com", NOTIFY.never],
      ["a@example.com", 0],
      ["copy@example.com", NOTIFY.never],
      ["all@example.com", 0],
    ]);
});

test("what is made here, such as a notice, gets no automatic copies", async () => {
  const { rewriter } = policyKit(`${MAIN}
sender_bcc_maps = static:audit@example.com
recipient_bcc_maps = static:copy@example.com
`);
  const expansion = await rewriter.expandRecipients("s@example.org", [recipient("a@example.com")], {
    noCopies: true,
  });
  expect<unknown>(expansion.is === "recipients" ? expansion.recipients.map(({ address }) => address) : [])
    .toEqual([
      "a@example.com",
    ]);
});

test("pattern tables see whole addresses only", async () => {
  const { rewriter } = policyKit(
    `${MAIN}virtual_alias_maps = regexp:{{/^bob$$/ no@x.example},{/^@example/ no@x.example},{/^bob@example/ yes@x.example}}\n`,
  );
  const expansion = await rewriter.expandRecipients("", [
    recipient("bob@example.com"),
    recipient("joe@example.com"),
  ]);
  expect<unknown>(expansion.is === "recipients" ? expansion.recipients.map(({ address }) => address) : [])
    .toEqual([
      "yes@x.example",
      "joe@example.com",
    ]);
});

test("rewriting is idempotent and scanning never loses its way", () => {
  const { rewriter } = policyKit(MAIN);
  const piece = fc.constantFrom(
    "a",
    "b.example",
    "@",
    "%",
    "!",
    ".",
    '"',
    "\\",
    " ",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ":",
    ",",
    ";",
    "ü",
    "\t",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")), (text) => {
      const tokens = scanTokens(text);
      expect(printTokens(tokens).length).toBeLessThanOrEqual(2 * text.length + 2);
      const plain = /^[a-z.ü]+@[a-z]+\.[a-z]+$/.test(text) && !text.includes("..") && !/^\.|\.@/.test(text);
      if (plain) expect<unknown>(rewriter.standardForm(text, "local")).toBe(text);
    }),
    { numRuns: 2000 },
  );
});
