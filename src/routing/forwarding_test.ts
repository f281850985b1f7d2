import { expect, test } from "bun:test";
import { internalAddress } from "../address/address.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { LocalDomains, Trouble } from "../rewrite/local_domains.ts";
import { createOpenTables } from "../rewrite/open_tables.ts";
import type { Srs } from "../rewrite/srs.ts";
import { createForwarding, type Forwarding } from "./forwarding.ts";

const openTables = createOpenTables({
  directory: "",
  parameter: () => undefined,
  warn: () => {},
  clock: () => 0,
});
const SRS: Srs = {
  domain: "srs.example.com",
  trouble: undefined,
  forward: (sender) => internalAddress(`wrapped-${sender}`),
  reverse: () => ({ is: "plain" }),
};
const settings = {
  virtual_alias_domains: "alias.example",
  virtual_mailbox_domains: "box.example",
  relay_domains: "own.example",
  parent_domain_matches_subdomains: "relay_domains",
  srs_exclude_domains: "partner.example, .many.example",
};

function forwarding(
  isLocal: (domain: string) => MaybeAsync<boolean | Trouble> = (domain) => domain === "example.com",
): Forwarding {
  const local: Pick<LocalDomains, "isLocal"> = { isLocal };
  return createForwarding(settings, {
    local: { ...local, isOwnAddress: () => false, isOurAddress: () => false },
    openTables,
    srs: SRS,
  })!;
}

const recipient = (original: string, address: string) => ({
  original: internalAddress(original),
  address: internalAddress(address),
  notify: 0,
});

test("senderOf() wraps strangers alone", async () => {
  const { senderOf } = forwarding();
  for (
    const sender of [
      ...["a@example.com", "a@alias.example", "a@box.example", "a@own.example", "a@sub.own.example", "root"],
      ...["a@srs.example.com", "a@SRS.example.com", "a@partner.example", "a@x.many.example"],
    ]
  ) {
    expect(await senderOf(internalAddress(sender))).toBeUndefined();
  }
  for (const sender of ["a@far.example", "a@many.example", "a@sub.partner.example", "a@sub.example.com"]) {
    expect(await senderOf(internalAddress(sender))).toBe(internalAddress(`wrapped-${sender}`));
  }
});

test("isForwarded() is for what came for us and goes elsewhere", async () => {
  const { isForwarded } = forwarding();
  for (
    const [original, address, want] of [
      ["bob@example.com", "bob@far.example", true],
      ["bob", "bob@far.example", true],
      ["bob@example.com.", "bob@far.example", true],
      ["SRS0=x@srs.example.com.", "bob@far.example", true],
      ["bob@alias.example", "bob@far.example", true],
      ["SRS0=x@srs.example.com", "bob@far.example", true],
      ["bob@example.com", "bob@own.example", false],
      ["bob@example.com", "bob@box.example", false],
      ["bob@far.example", "bob@far.example", false],
      ["bob@far.example", "bob@third.example", false],
      ["", "bob@far.example", false],
    ] as const
  ) {
    expect([original, address, await isForwarded(recipient(original, address))]).toEqual([
      original,
      address,
      want,
    ]);
  }
});

test("what cannot be looked up is no answer", async () => {
  const broken = forwarding(() => ({ trouble: "the table is gone" }));
  expect(await broken.senderOf(internalAddress("a@far.example"))).toEqual({ trouble: "the table is gone" });
  expect(await broken.isForwarded(recipient("a@example.com", "b@far.example"))).toEqual({
    trouble: "the table is gone",
  });
  const late = forwarding((domain) => Promise.resolve(domain === "example.com"));
  expect(await late.isForwarded(recipient("a@example.com", "b@far.example"))).toBe(true);
});

test("without srs_domain there is nothing to decide", () => {
  const local = { isLocal: () => false, isOwnAddress: () => false, isOurAddress: () => false };
  expect(createForwarding(settings, { local, openTables, srs: undefined })).toBeUndefined();
});
