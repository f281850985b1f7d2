import { expect, test } from "bun:test";
import { facts, policyKit } from "../../../test/kit/policy.ts";
import { createAccessPolicy } from "../create_policy.ts";
import type { PollLimits } from "../verifier.ts";

const MAIN = `
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
mynetworks = 10.0.0.0/8
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unverified_recipient
`;

test("under stress a session waits as long as address_verify_poll_count says then", async () => {
  const { settings, local, openTables, router } = policyKit(MAIN);
  const { settings: stressed } = policyKit(`${MAIN}stress = yes\n`);
  const asked: PollLimits[] = [];
  const policy = createAccessPolicy({ settings, stressed, parameter: () => undefined }, {
    local,
    openTables,
    router,
    clock: () => 0,
    verifier: {
      verify(_address, poll) {
        asked.push(poll);
        return { is: "deliverable" };
      },
      known: () => undefined,
    },
  });
  await policy.open().check("RCPT", facts());
  await policy.open().check("RCPT", facts({ stressed: true }));
  expect(asked).toEqual([{ count: 3, delay: 3 }, { count: 1, delay: 3 }]);
});

test("the null sender and a session without a recipient are not asked about", async () => {
  const asked: string[] = [];
  const { policy } = policyKit(
    `${MAIN}smtpd_sender_restrictions = reject_unverified_sender, reject_unverified_recipient\nsmtpd_delay_reject = no\n`,
    {
      verifier: {
        verify(address) {
          asked.push(address);
          return { is: "deliverable" };
        },
        known: () => undefined,
      },
    },
  );
  await policy.check("MAIL", facts({ sender: "", recipient: undefined }));
  await policy.check("MAIL", facts({ sender: "ann@example.org", recipient: undefined }));
  expect(asked).toEqual(["ann@example.org"]);
});
