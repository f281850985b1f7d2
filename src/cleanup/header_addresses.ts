import { type Address, quoteAddress } from "../address/address.ts";
import { readAddress } from "../address/path.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";

/** Headers whose addresses are rewritten, and as whose (canonical_classes). */
export const ADDRESS_HEADERS: Readonly<Record<string, "header_sender" | "header_recipient">> = {
  "from": "header_sender",
  "sender": "header_sender",
  "reply-to": "header_sender",
  "errors-to": "header_sender",
  "return-receipt-to": "header_sender",
  "disposition-notification-to": "header_sender",
  "mail-followup-to": "header_sender",
  "resent-from": "header_sender",
  "resent-sender": "header_sender",
  "resent-reply-to": "header_sender",
  "to": "header_recipient",
  "cc": "header_recipient",
  "bcc": "header_recipient",
  "apparently-to": "header_recipient",
  "resent-to": "header_recipient",
  "resent-cc": "header_recipient",
  "resent-bcc": "header_recipient",
};

/** Where an address stands in a text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

const PIECE = /"(?:[^"\\]|\\[^])*"|\((?:[^()\\]|\\[^])*\)|\[[^\]]*\]|[^"()[\]<>,;:\s]+|\s+|[^]/g;

/** Collects the spans of addresses: what is in angle brackets, else the words of a list item outside comments. */
class Spans {
  readonly found: Span[] = [];
  #item: Span | undefined;
  #bracket: number | undefined;
  #bracketed = false;

  piece(text: string, start: number): void {
    const end = start + text.length;
    if (text === "<") this.#bracket = end;
    else if (text === ">" && this.#bracket !== undefined) this.#closeBracket(start);
    else if (this.#bracket !== undefined) return;
    else if (text === "," || text === ";") this.endItem();
    else if (text === ":") this.#reset();
    else if (/^[^\s(]/.test(text)) this.#item = { start: this.#item?.start ?? start, end };
  }

  #closeBracket(end: number): void {
    this.found.push({ start: this.#bracket!, end });
    this.#bracket = undefined;
    this.#bracketed = true;
  }

  #reset(): void {
    this.#item = undefined;
    this.#bracketed = false;
  }

  endItem(): void {
    if (!this.#bracketed && this.#item !== undefined) this.found.push(this.#item);
    this.#bracket = undefined;
    this.#reset();
  }
}

/** One address, alone or in angle brackets behind a name without quotes. */
const ONE = /^(?:[^"()<>,;:[\]\\]*<([^"()<>,;:[\]\\\s]+)>|\s*([^"()<>,;:[\]\\\s]+))\s*$/;

function addressSpans(text: string): readonly Span[] {
  const [, bracketed, bare = ""] = ONE.exec(text) ?? [];
  const one = bracketed ?? bare;
  if (one === "") return allSpans(text);
  const start = bracketed === undefined ? text.indexOf(one) : text.indexOf("<") + 1;
  return [{ start, end: start + one.length }];
}

function allSpans(text: string): readonly Span[] {
  const spans = new Spans();
  for (const match of text.matchAll(PIECE)) spans.piece(match[0], match.index);
  spans.endItem();
  return spans.found;
}

/** The addresses of a header value in internal form, at most `limit`; what is none is left out. */
export function addressesIn(value: string, limit: number): Address[] {
  return addressSpans(value).slice(0, limit).flatMap(({ start, end }) =>
    readAddress(value.slice(start, end)) || []
  );
}

/** Replaces one address at a time, from the left, so that asynchronous tables keep the order. */
function replaceFrom(
  text: string,
  spans: readonly Span[],
  at: number,
  done: string,
  from: number,
  rewrite: (address: string) => MaybeAsync<string>,
): MaybeAsync<string> {
  const span = spans[at];
  if (span === undefined) return done + text.slice(from);
  const given = text.slice(span.start, span.end);
  const address = readAddress(given);
  const go = (changed: string) => {
    const shown = changed === address ? given : quoteAddress(changed);
    return replaceFrom(text, spans, at + 1, done + text.slice(from, span.start) + shown, span.end, rewrite);
  };
  const changed = address === undefined || address === "" ? address ?? "" : rewrite(address);
  if (address === undefined) {
    return replaceFrom(text, spans, at + 1, done + text.slice(from, span.end), span.end, rewrite);
  }
  return isPromise(changed) ? changed.then(go) : go(changed);
}

/**
 * Rewrites the addresses of a header value and leaves everything else as it stands (RFC 5322 §3.4). At most `limit` addresses are
 * looked at (header_address_token_limit).
 */
export function rewriteAddresses(
  value: string,
  limit: number,
  rewrite: (address: string) => MaybeAsync<string>,
): MaybeAsync<string> {
  return replaceFrom(value, addressSpans(value).slice(0, limit), 0, "", 0, rewrite);
}
