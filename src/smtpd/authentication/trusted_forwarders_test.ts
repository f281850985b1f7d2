import { expect, test } from "bun:test";
import { policyKit } from "../../../test/kit/policy.ts";
import type { ArcResult } from "../../mailauth/arc/arc_result.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import { openTrustedForwarders } from "./trusted_forwarders.ts";

const FAILS: DmarcResult = {
  is: "fail",
  domain: "mail.bank.example",
  policy: "reject",
  policyDomain: "bank.example",
  organizational: "bank.example",
  spfAligned: false,
  dkimAligned: false,
};

/** A chain from the newest: `domain: results`. */
const chain = (is: ArcResult["is"], ...links: readonly string[]): ArcResult => ({
  is,
  highest: links.length,
  links: links.map((text, at) => {
    const [domain = "", authenticationResults = ""] = text.split(": ");
    return {
      instance: links.length - at,
      domain,
      selector: "s",
      signatureDomain: domain,
      authenticationResults,
    };
  }),
});

const TABLE =
  "inline:{192.0.2.1=y 198.51.100=y mx.partner.example=y .forward.example=y list.example=y news.lists.example=y}";

async function trusted(
  { address = "203.0.113.9", name = "unknown", arc = chain("none"), dmarc = FAILS, fields = [] as string[] },
  table = TABLE,
) {
  const warnings: string[] = [];
  const maps = policyKit("").openTables.maps(table, "trusted_forwarders")!;
  const ask = openTrustedForwarders(maps, (text) => warnings.push(text));
  const by = await ask({ address, name }, { arc, dmarc, fields });
  return warnings.length === 0 ? by : warnings.join();
}

test.each([
  [{ address: "192.0.2.1" }, "trusted forwarder 192.0.2.1"],
  [{ address: "198.51.100.7" }, "trusted forwarder 198.51.100.7"],
  [{ name: "MX.partner.example" }, "trusted forwarder MX.partner.example"],
  [{ name: "a.forward.example" }, "trusted forwarder a.forward.example"],
  [{ name: "mx.strange.example" }, undefined],
  [{}, undefined],
  // Only of a failure is there anything to say.
  [{ address: "192.0.2.1", dmarc: { ...FAILS, is: "pass" as const } }, undefined],
  [{ address: "192.0.2.1", dmarc: { ...FAILS, is: "temperror" as const } }, undefined],
])("trusted_forwarders of client %j: %j", async (given, by) => expect(await trusted(given)).toBe(by));

const PASSED = "list.example; dmarc=pass header.from=mail.bank.example";
const BY_LIST = "arc=pass, sealed by list.example";

test.each([
  ["saw DMARC pass", chain("pass", `list.example: ${PASSED}`), BY_LIST],
  [
    "saw DMARC fail",
    chain(
      "pass",
      "list.example: list.example; dmarc=fail header.from=mail.bank.example; dkim=pass header.d=bank.example",
    ),
    undefined,
  ],
  [
    "saw another's DMARC pass",
    chain("pass", "list.example: list.example; dmarc=pass header.from=evil.example"),
    undefined,
  ],
  [
    "saw DKIM of the organization",
    chain("pass", "list.example: list.example; dkim=pass header.d=x.bank.example"),
    BY_LIST,
  ],
  [
    "saw SPF of the organization",
    chain("pass", "list.example: list.example; spf=pass smtp.mailfrom=ann@bank.example"),
    BY_LIST,
  ],
  [
    "saw DKIM of somebody else",
    chain("pass", "list.example: list.example; dkim=pass header.d=evilbank.example"),
    undefined,
  ],
  ["says nothing", chain("pass", "list.example: list.example; none"), undefined],
  ["is broken", chain("fail", `list.example: ${PASSED}`), undefined],
  ["is a stranger", chain("pass", `evil.example: ${PASSED}`), undefined],
  ["is below one", chain("pass", `evil.list.example: ${PASSED}`), undefined],
  [
    "got it from one who saw it pass",
    chain("pass", "list.example: list.example; dmarc=fail; arc=pass", `x.forward.example: ${PASSED}`),
    "arc=pass, sealed by x.forward.example",
  ],
  [
    "got it from a stranger who says so",
    chain("pass", "list.example: list.example; dmarc=fail; arc=pass", `evil.example: ${PASSED}`),
    undefined,
  ],
  [
    "gave it to a stranger",
    chain("pass", "evil.example: evil.example; arc=pass", `list.example: ${PASSED}`),
    undefined,
  ],
])("trusted_forwarders: who sealed %s", async (_claim, arc, by) => expect(await trusted({ arc })).toBe(by));

test.each([
  ["List-Id: News <news.lists.example>\r\n", "lists.example", true],
  ["LIST-ID:<News.lists.example>\r\n", "news.lists.example", true],
  ["List-Id: News <news.lists.example>\r\n", "evil.example", false],
  ["List-Id: News <other.lists.example>\r\n", "lists.example", false],
  ["List-Id: news.lists.example\r\n", "lists.example", false],
])("trusted_forwarders: list %j sealed by %s", async (field, domain, isTrusted) => {
  const arc = chain("pass", `${domain}: ${PASSED}`);
  expect(await trusted({ arc, fields: [field] }) !== undefined).toBe(isTrusted);
});

test("trusted_forwarders: to a body that is not signed to its end anybody can have added something", async () => {
  const arc = { ...chain("pass", `lists.example: ${PASSED}`), unsignedBytes: 1 };
  expect(await trusted({ arc, fields: ["List-Id: <news.lists.example>\r\n"] })).toBeUndefined();
});

test("trusted_forwarders: two List-Id fields are none", async () => {
  const fields = ["List-Id: <news.lists.example>\r\n", "List-Id: <x.example>\r\n"];
  expect(await trusted({ arc: chain("pass", `lists.example: ${PASSED}`), fields })).toBeUndefined();
});

test("trusted_forwarders that cannot be asked trust nobody, and say so", async () => {
  expect(await trusted({}, "fail:x")).toContain('trusted_forwarders: lookup error for "203.0.113.9"');
});
