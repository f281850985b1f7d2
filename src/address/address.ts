import { oneLine } from "../base/printable.ts";

/**
 * An address as the envelope has it: internal form, the local part unquoted (`a b@example.com`), "" for the null sender. What is
 * written outside (`"a b"@example.com`) is a plain string, made by `quoteAddress`.
 */
export type Address = string & { readonly brand: "Address" };

/** Believes that a text is in internal form: for what tables, records and rewriting rules say, which have no other form. */
export function internalAddress(text: string): Address {
  return text as Address; // the one place where that is believed
}

/** The null sender (RFC 5321 §4.5.5). */
export const NULL_ADDRESS: Address = internalAddress("");

/** An address in two halves; `domain` is "" for a bare local part. */
export interface SplitAddress {
  readonly local: string;
  readonly domain: string;
}

/** Splits an internal-form address at its last `@`. */
export function splitAddress(text: string): SplitAddress {
  const at = text.lastIndexOf("@");
  return at < 0 ? { local: text, domain: "" } : { local: text.slice(0, at), domain: text.slice(at + 1) };
}

// An atom excludes controls, blanks and specials; letters beyond ASCII pass (RFC 5321 §4.1.2, RFC 6531 §3.3).
const DOT_STRING = /^[^\x00-\x20\x7f()<>@,;:\\".[\]]+(?:\.[^\x00-\x20\x7f()<>@,;:\\".[\]]+)*$/;

/** The usual address, which is written outside as it is. */
const USUAL = /^[^\x00-\x20\x7f()<>@,;:\\".[\]]+(?:\.[^\x00-\x20\x7f()<>@,;:\\".[\]]+)*@[A-Za-z0-9.-]+$/;

/** A local part as it is written outside: quoted when it is not a dot-string (RFC 5321 §4.1.2). Always one line. */
export function quoteLocal(local: string): string {
  return DOT_STRING.test(local) ? local : `"${oneLine(local.replace(/[\\"]/g, "\\$&"))}"`;
}

/** External form of an internal address: `a b@c` is written `"a b"@c`; the null sender stays empty. Always one line. */
export function quoteAddress(internal: string): string {
  if (internal === "" || USUAL.test(internal)) return internal;
  const at = internal.lastIndexOf("@");
  if (at < 0) return quoteLocal(internal);
  return `${quoteLocal(internal.slice(0, at))}${oneLine(internal.slice(at))}`;
}

/** What addresses are sorted by where they are handed out together: domain, then the whole address, as Postfix's queue manager does it. */
export function deliveryOrder(address: string): string {
  const lower = address.toLowerCase();
  return `${splitAddress(lower).domain}\0${lower}`;
}

/** An address as the original recipient of a message (RFC 3461 §4.2, RFC 6533 §3), not encoded yet. */
export function originalRecipient(address: string): string {
  const type = /[^\x00-\x7f]/.test(address) ? "utf-8" : "rfc822";
  return `${type};${quoteAddress(address)}`;
}
