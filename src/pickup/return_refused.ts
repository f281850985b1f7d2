import { quoteAddress } from "../address/address.ts";
import { delayText } from "../base/delay_text.ts";
import type { Envelope, Recipient } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";
import type { Reply } from "../smtp/reply.ts";
import type { PickupDeps } from "./pickup_deps.ts";

/**
 * Returns a message that cleanup refuses for good to its sender, who is told nothing else: the recipients bounce as if it had been in the
 * queue (cleanup(8), CLEANUP_FLAG_BOUNCE). What was refused for its content goes back without it. False: try again later.
 */
export async function returnRefused(
  { envelope, content, reply }: {
    readonly envelope: Envelope;
    readonly content: Content;
    readonly reply: Reply;
  },
  { bouncer, cleanupLog, clock, settings }: PickupDeps,
): Promise<boolean> {
  const text = reply.lines.join(" ").replace(/^Error: /, "");
  const status = reply.status ?? "5.0.0";
  const delay = delayText(clock.now() - envelope.arrival, settings.delay_logging_resolution_limit);
  const entries = envelope.recipients.map((recipient) => {
    cleanupLog.emit("cleanup", "delivery", {
      id: envelope.id,
      to: quoteAddress(recipient.address),
      orig_to: shownOriginal(recipient),
      relay: "none",
      delay,
      delays: `${delay}/0/0/0`,
      dsn: status,
      status: "bounced",
      text,
    });
    const diagnosticType = "X-Postfix" as const;
    return {
      recipient,
      detail: { status, text, action: "failed" as const, diagnosticType, diagnostic: text },
    };
  });
  return await bouncer.failed({ envelope: { ...envelope, ret: "HDRS" }, content }, entries);
}

function shownOriginal({ address, original }: Recipient): string | undefined {
  const isSame = original === "" || original.toLowerCase() === address.toLowerCase();
  return isSame ? undefined : quoteAddress(original);
}
