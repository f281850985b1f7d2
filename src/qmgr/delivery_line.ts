import { quoteAddress } from "../address/address.ts";
import { delayText } from "../base/delay_text.ts";
import type { Outcome } from "../delivery/agent.ts";
import type { DeliveryFields } from "../observe/events_delivery.ts";
import type { Recipient } from "../queue/envelope.ts";

/** Times of a delivery, milliseconds since 1970, and how long its phases took. */
export interface DeliveryTimes {
  readonly arrival: number;
  readonly active: number;
  readonly handoff: number;
  readonly done: number;
  readonly setup: number;
  readonly transmission: number;
}

/** Texts of the delay and of its four parts, shared by all recipients of a delivery. */
export function delayTexts(
  times: DeliveryTimes,
  digits: number,
): { readonly delay: string; readonly delays: string } {
  const before = delayText(times.active - times.arrival, digits);
  const queued = delayText(times.handoff - times.active, digits);
  const setup = delayText(times.setup, digits);
  const transmission = delayText(times.transmission, digits);
  return {
    delay: delayText(times.done - times.arrival, digits),
    delays: `${before}/${queued}/${setup}/${transmission}`,
  };
}

const sameIgnoringCase = (a: string, b: string) => a === b || a.toLowerCase() === b.toLowerCase();

/** What decides the wording of a delivery line beside the outcome. */
export interface LineContext {
  readonly id: string;
  readonly delay: string;
  readonly delays: string;
  readonly connectionUse: number | undefined;
  readonly softBounce: boolean;
  /**
   * Nothing is delivered: a report is wanted (sendmail -bv), or it is a probe, with what is said of its failures (address_verify_negative_cache).
   */
  readonly asks: "reported" | "cached" | "only successes cached" | undefined;
}

function statusWord(outcome: Outcome, context: LineContext): string {
  if (context.asks !== undefined) {
    if (outcome.is === "sent") return "deliverable";
    return context.asks === "only successes cached" ? "undeliverable-but-not-cached" : "undeliverable";
  }
  return outcome.is === "bounced" && context.softBounce ? "SOFTBOUNCE" : outcome.is;
}

/** The fields of a recipient's delivery line (log_adhoc's `to=..., relay=..., status=...`). */
export function deliveryFields(
  context: LineContext,
  recipient: Recipient,
  address: string,
  outcome: Outcome,
): DeliveryFields {
  const { relay, detail } = outcome;
  const soft = outcome.is === "bounced" && context.softBounce && context.asks === undefined &&
    detail.status.startsWith("5");
  return {
    id: context.id,
    to: quoteAddress(address),
    orig_to: recipient.original === "" || sameIgnoringCase(recipient.original, address)
      ? undefined
      : quoteAddress(recipient.original),
    relay,
    conn_use: context.connectionUse,
    delay: context.delay,
    delays: context.delays,
    tls: outcome.tlsStatus,
    dsn: soft ? `4${detail.status.slice(1)}` : detail.status,
    status: statusWord(outcome, context),
    text: detail.text,
    tls_trust: outcome.tls?.trust,
    tls_protocol: outcome.tls?.protocol,
    tls_cipher: outcome.tls?.cipher,
  };
}
