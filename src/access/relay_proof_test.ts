import { expect, test } from "bun:test";
import { MISTAKEN, SANE } from "../../test/access/relay_configurations.ts";
import { BASE, LISTS } from "../../test/access/relay_lists.ts";
import { proofOf, verdictOf } from "../../test/kit/relay_proof.ts";

/** With no relay restrictions: what the recipient restrictions do alone. */
const alone = (recipient: string, more = "") =>
  proofOf(`${BASE}smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = ${recipient}\n${more}`);

test.each(LISTS)("smtpd_recipient_restrictions = %s: %s", async (recipient, want) => {
  expect(verdictOf(await alone(recipient))).toBe(want);
});

test.each(SANE.map(({ name, main }) => [name, main]))("served in silence: %s", async (_name, main) => {
  const proof = await proofOf(main);
  expect(proof.witnesses).toEqual([]);
  expect([...proof.doubts, ...proof.loosely]).toEqual([]);
});

test.each(MISTAKEN.map(({ name, main, verdict }) => [name, main, verdict] as const))(
  "found out: %s",
  async (_name, main, verdict) => {
    expect(verdictOf(await proofOf(main))).toBe(verdict);
  },
);

test("addresses that a relay domain's hosts would route on are warned of (allow_untrusted_routing)", async () => {
  const main = `${BASE}smtpd_relay_restrictions = reject_unauth_destination\n`;
  expect(verdictOf(await proofOf(main))).toBe("closed");
  const { witnesses, loosely } = await proofOf(`${main}allow_untrusted_routing = yes\n`);
  expect(witnesses).toEqual([]);
  expect(loosely).toEqual([
    "allow_untrusted_routing: RCPT TO:<victim%elsewhere.example@relay.example> goes to the hosts of relay.example, " +
    "who may send it on",
  ]);
});
