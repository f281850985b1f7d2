import { afterEach, expect, test } from "bun:test";
import { jobOf, outcomeLines, type TestAgent, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import type { DeliveryJob } from "../agent.ts";

const open: { readonly peer: SmtpPeer; readonly tested: TestAgent }[] = [];

afterEach(async () => {
  for (const { peer, tested } of open.splice(0)) {
    await tested.agent.close();
    await peer.close();
  }
});

const HEAD = Buffer.from("Subject: large\r\n\r\n");
/** Lines with dots at their start, also at the start of pieces; nothing is missing at the end. */
const LINES = Buffer.from(".dots\r\n..\r\nand none\r\n".repeat(40_000));

/** Delivers content that is lent in pieces; what was noted is how often, and how each loan ended. */
async function deliver(script: PeerScript, envelope: Partial<DeliveryJob["envelope"]> = {}) {
  const peer = await startSmtpPeer(script);
  const tested = testAgent();
  open.push({ peer, tested });
  const loans: string[] = [];
  const job = jobOf({ nexthop: `[127.0.0.1]:${peer.port}`, ...envelope });
  const whole = Buffer.concat([HEAD, LINES]);
  const pieces = [HEAD];
  for (let at = 0; at < LINES.length; at += 65_536) pieces.push(LINES.subarray(at, at + 65_536));
  const content = {
    size: whole.length,
    bytes: undefined,
    async *chunks() {
      yield whole;
    },
    lend: () => {
      loans.push("lent");
      return {
        pieces,
        giveBack: (isUntouched: boolean) => void loans.push(isUntouched ? "back" : "touched"),
      };
    },
  };
  const report = await tested.agent.deliver({ ...job, content }, new AbortController().signal);
  return { peer, loans, whole: whole.toString(), outcomes: outcomeLines(report) };
}

test("content that is lent goes out whole, and back when the server has it all", async () => {
  const { peer, loans, whole, outcomes } = await deliver({});
  expect(outcomes[0]).toStartWith("sent 2.0.0");
  expect(peer.mails[0]!.content === whole).toBe(true);
  expect(loans).toEqual(["lent", "back"]);
});

test("a server that hangs up or refuses: where bytes may still be on their way nobody writes in their place", async () => {
  const broken = await deliver({ dot: "drop-in-body" });
  expect(broken.outcomes[0]).toStartWith("deferred 4.4.2");
  expect(broken.loans).toEqual(["lent", "touched"]);
  const refused = await deliver({ dot: "552 5.3.4 too much" });
  expect(refused.outcomes[0]).toStartWith("bounced 5.3.4");
  expect(refused.loans).toEqual(["lent", "back"]);
});

test("content that is changed on its way, or not sent at all, is not lent", async () => {
  const converted = await deliver({ ehlo: [] }, { body: "8BITMIME", eightBit: true });
  expect(converted.outcomes[0]).toStartWith("sent 2.0.0");
  expect(converted.loans).toEqual([]);
  const unwanted = await deliver({ rcpt: "550 5.1.1 nobody" });
  expect(unwanted.outcomes[0]).toStartWith("bounced 5.1.1");
  expect(unwanted.loans).toEqual([]);
});
