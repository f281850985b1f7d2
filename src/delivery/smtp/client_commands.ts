import { oneLine } from "../../base/printable.ts";
import { originalRecipient, quoteAddress } from "../../address/address.ts";
import type { Envelope, Recipient } from "../../queue/envelope.ts";
import { printMailParameters } from "../../smtp/mail_parameters.ts";
import { printRcptParameters } from "../../smtp/rcpt_parameters.ts";
import { printXforward } from "../../smtp/xforward.ts";
import type { Features } from "../../smtp/server_features.ts";

/** How an internal address is written into a command (smtp_quote_rfc821_envelope). */
function path(address: string, quote: boolean): string {
  return quote ? quoteAddress(address) : oneLine(address);
}

/** What MAIL says about the message. */
export interface MailFacts {
  readonly sender: string;
  readonly size: number;
  /** The content goes out as 7-bit text, whatever it came as. */
  readonly downgraded: boolean;
  readonly quote: boolean;
  /** The sender demands TLS all the way, and the server promises it. */
  readonly requireTls: boolean;
  /** Say that nobody vouches for the sender (smtp_send_dummy_mail_auth, RFC 4954 §5). */
  readonly unauthenticated: boolean;
}

/** MAIL with the parameters that this server knows (RFC 5321 §4.1.1.2). */
export function mailCommand(envelope: Envelope, features: Features, facts: MailFacts): string {
  const parameters = printMailParameters({
    // The size after conversion is not known yet.
    size: features.size && !facts.downgraded ? facts.size : undefined,
    body: features.eightBitMime ? envelope.body : undefined,
    smtputf8: features.smtputf8 && envelope.smtputf8 === true,
    ret: features.dsn ? envelope.ret : undefined,
    envid: features.dsn ? envelope.envid : undefined,
    requireTls: facts.requireTls,
    auth: facts.unauthenticated ? "<>" : undefined,
  });
  return `MAIL FROM:<${path(facts.sender, facts.quote)}>${parameters}\r\n`;
}

/** RCPT; the recipient as first given is passed on to a server that knows DSN (RFC 3461 §4.2, §5.2.1). */
export function rcptCommand(
  recipient: Recipient,
  address: string,
  features: Features,
  quote: boolean,
): string {
  const parameters = features.dsn
    ? printRcptParameters({ notify: recipient.notify, orcpt: orcptOf(recipient) })
    : "";
  return `RCPT TO:<${path(address, quote)}>${parameters}\r\n`;
}

function orcptOf({ orcpt, original }: Recipient): string | undefined {
  return orcpt ?? (original === "" ? undefined : originalRecipient(original));
}

/** XFORWARD commands for what is known of the message's origin and the server takes. None for local submission. */
export function xforwardCommands({ origin, id }: Envelope, features: Features): readonly string[] {
  if (features.xforward.length === 0) return [];
  return printXforward({
    NAME: known(origin.clientName),
    ADDR: known(origin.clientAddress),
    PORT: known(origin.clientPort?.toString()),
    PROTO: known(origin.protocol),
    HELO: known(origin.helo),
    IDENT: origin.ident ?? id,
    SOURCE: origin.source ?? (origin.clientAddress === undefined ? "LOCAL" : "REMOTE"),
  }, features.xforward);
}

function known(value: string | undefined): string | undefined {
  return value === undefined || value === "" || value.toLowerCase() === "unknown" ? undefined : value;
}

/** Whether a text would end a command early or start another: such an address is never sent. */
export function breaksCommand(address: string): boolean {
  return /[\r\n\0]/.test(address);
}
