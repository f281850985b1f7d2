import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import { contentOf } from "../../test/kit/memory/memory_store.ts";
import type { QueueId } from "../queue/envelope.ts";
import { createDiscardAgent } from "./discard_agent.ts";
import { createErrorAgent } from "./error_agent.ts";

const job = (nexthop: string) => ({
  envelope: { id: "X" as QueueId, arrival: 0, sender: internalAddress(""), recipients: [], origin: {} },
  recipients: [{
    index: 0,
    recipient: { address: internalAddress("a@b"), original: internalAddress("a@b"), notify: 0 },
  }],
  transport: "error",
  nexthop,
  content: contentOf(""),
});

test("error bounces and retry defers with the next hop's status and words", async () => {
  const rows = [
    ["error", "5.2.1 mailbox disabled", "bounced none 5.2.1 mailbox disabled"],
    ["error", "mailbox gone", "bounced none 5.0.0 mailbox gone"],
    ["error", "4.3.3 x", "bounced none 5.3.3 x"],
    ["retry", "4.2.1 not now", "deferred none 4.2.1 not now"],
    ["retry", "5.1.1 later", "deferred none 4.1.1 later"],
    ["retry", "later", "deferred none 4.0.0 later"],
  ] as const;
  for (const [service, nexthop, want] of rows) {
    const { outcomes } = await createErrorAgent(service).deliver(
      job(nexthop),
      new AbortController().signal,
    );
    const { is, relay, detail } = outcomes[0]!;
    expect(`${is} ${relay} ${detail.status} ${detail.text}`).toBe(want);
  }
});

test("discard says what it was told to say", async () => {
  const report = await createDiscardAgent().deliver(job("silently"), new AbortController().signal);
  expect(report.outcomes).toEqual([
    { is: "sent", relay: "none", detail: { status: "2.0.0", text: "silently", action: "delivered" } },
  ]);
});
