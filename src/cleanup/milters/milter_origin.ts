import { quoteAddress } from "../../address/address.ts";
import type { Submission } from "../cleanup.ts";

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? "" : ` ${name}=<${value}>`;

/** `from CLIENT: TEXT; from=<s> to=<r> proto=ESMTP helo=<h>`: local mail comes from localhost, to filters and in their lines. */
export function milterOriginText({ origin, sender, recipients }: Submission, text: string): string {
  const to = recipients.at(-1)?.address;
  return `from ${clientOf(origin)}: ${text};${attribute("from", quoteAddress(sender))}` +
    attribute("to", to === undefined ? undefined : quoteAddress(to)) +
    (origin.protocol === undefined ? "" : ` proto=${origin.protocol}`) + attribute("helo", origin.helo);
}

/** The client of mail as filters know it. */
export function clientOf(origin: Submission["origin"]): string {
  return `${origin.clientName ?? "localhost"}[${origin.clientAddress ?? "127.0.0.1"}]`;
}

/** What stands before the text of a line about a field: `from CLIENT; from=<s> ...`. */
export function fieldOriginText(submission: Submission): string {
  return milterOriginText(submission, "").replace(": ;", ";");
}
