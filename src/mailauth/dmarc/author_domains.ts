import { addressesIn } from "../../address/address_list.ts";
import { splitAddress } from "../../address/address.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";

/** So much of a header's From: fields is looked at, in bytes: no honest author comes near. */
const MOST = 32_768;
/** No field of that length has more pieces. */
const TOKENS = MOST;

/** What nobody is shown: controls, and marks without a width. */
const UNSEEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]/g;

const FROM = /^from[ \t]*:/i;
/** Where a field is no list of addresses: what looks like the domain of one. */
const AFTER_AT =
  /@[ \t]*([A-Za-z0-9_\x80-\uffff](?:[A-Za-z0-9_.\x80-\uffff-]{0,253}[A-Za-z0-9_\x80-\uffff])?)/g;
const LOOKED_AT = 10_000;

/** What IDNA's parser would take for the end of a name, or for something else than one. */
const NO_NAME = /[\x00-,/:-@[-^`{-\x7f]/;

/** A domain as DNS has it, undefined for what is none: address literals, nonsense. */
export function dnsDomain(text: string): string | undefined {
  if (NO_NAME.test(text)) return undefined;
  const domain = asciiDomain(text.replace(/\.$/, "")).toLowerCase();
  return domain.length <= 253 && isAsciiHostname(domain) ? domain : undefined;
}

/**
 * The domains that the From: fields of a header name, each once (RFC 9989 §5.3.1). `fields` are whole fields, one character a byte. A
 * field that is no list of addresses has those that a reader would be shown.
 */
export function authorDomains(fields: readonly string[]): readonly string[] {
  const domains = new Set<string>();
  for (const field of fields.filter((each) => FROM.test(each))) {
    const bytes = Buffer.from(field.slice(field.indexOf(":") + 1, MOST), "latin1");
    const value = bytes.toString("utf8").replace(UNSEEN, "");
    const listed = addressesIn(value, TOKENS).flatMap((address) =>
      dnsDomain(splitAddress(address).domain) ?? []
    );
    const found = listed.length > 0 ? listed : shownIn(value);
    for (const domain of found) domains.add(domain);
  }
  return [...domains];
}

/** From: has more than anybody looks at: an author may be hidden there. */
export function hidesAuthors(fields: readonly string[]): boolean {
  const length = fields.filter((each) => FROM.test(each)).reduce((sum, each) => sum + each.length, 0);
  return length > MOST;
}

function shownIn(value: string): string[] {
  const shown = [...value.slice(0, LOOKED_AT).matchAll(AFTER_AT)];
  return shown.flatMap(([, domain = ""]) => dnsDomain(domain) ?? []);
}
