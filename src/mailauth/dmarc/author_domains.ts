import { addressesIn, bracketedIn } from "../../address/address_list.ts";
import { splitAddress } from "../../address/address.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";

/** So much of a header's From: fields is looked at, in bytes: no honest author comes near. */
const MOST = 32_768;
/** And so many fields: there should be one. */
const MOST_FIELDS = 20;
/** No field of that length has more pieces. */
const TOKENS = MOST;

/** What nobody is shown: controls, and marks without a width. */
const UNSEEN = /(?![\t\r\n])[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** Whether a field is a From: field, for those too who take characters out of it (message_strip_characters). */
function isFrom(field: string): boolean {
  const name = field.slice(0, Math.max(field.indexOf(":"), 0));
  return /^from$/i.test(name.replace(/[\x00-\x20\x7f]+/g, ""));
}

/** Where a text is no address: what looks like the domain of one. U+FFFD stands for what is no character. */
const AFTER_AT =
  /@[ \t[.-]*([A-Za-z0-9_\x80-\ufffc](?:[A-Za-z0-9_.\x80-\ufffc-]{0,253}[A-Za-z0-9_\x80-\ufffc])?)/g;
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
 * The domains that the From: fields of a header name, each once (RFC 9989 §5.3.1). `fields` are whole fields, one character a byte. Of
 * what can be read in several ways all count: what is no list of addresses has those that a reader would be shown.
 */
export function authorDomains(fields: readonly string[]): readonly string[] {
  return [...new Set(fields.filter(isFrom).slice(0, MOST_FIELDS).flatMap(domainsIn))];
}

/** Why an author may be hidden: From: has more than anybody looks at, says nothing beside another one, or stands behind the header's end. */
export function authorsHidden(fields: readonly string[]): string | undefined {
  const froms = fields.filter(isFrom);
  const length = froms.reduce((sum, each) => sum + each.length, 0);
  if (length > MOST || froms.length > MOST_FIELDS) return "From: is too large to be looked at";
  if (froms.length > 1 && froms.some((each) => domainsIn(each).length === 0)) {
    return "one of several From: fields has no domain";
  }
  if (froms.length > 0 && !headerOf(fields).some((each) => FROM.test(each))) {
    return "From: stands behind a line that is no header field";
  }
  return undefined;
}

const FROM = /^from[ \t]*:/i;
const FIELD = /^[!-9;-~]+[ \t]*:/;
const MBOX_LINE = /^>*From /;

/** The fields up to a line that is none: with that the body begins, for cleanup and others. mbox lines on top are passed over. */
function headerOf(fields: readonly string[]): readonly string[] {
  const top = Math.max(0, fields.findIndex((field) => !MBOX_LINE.test(field)));
  const end = fields.findIndex((field, at) => at >= top && !FIELD.test(field));
  return fields.slice(top, end < 0 ? undefined : end);
}

function domainsIn(field: string): string[] {
  const bytes = Buffer.from(field.slice(field.indexOf(":") + 1, MOST), "latin1");
  return readingsOf(bytes.toString("utf8")).flatMap((reading) => {
    const value = reading.replace(UNSEEN, "");
    const listed = [...addressesIn(value, TOKENS), ...bracketedIn(value, TOKENS)].flatMap(domainsOf);
    return listed.length > 0 ? listed : shownIn(value);
  });
}

/** A NUL is passed over, or ends its line (as in cleanup); what is no character is shown, or is not. */
function readingsOf(text: string): readonly string[] {
  const cut = text.includes("\0") ? [text, text.replace(/\0[^\r\n]*/g, "")] : [text];
  return cut.flatMap((each) => each.includes("\ufffd") ? [each, each.replaceAll("\ufffd", "")] : [each]);
}

/** Of one address: its domain, and where it is none, or the local part has one, those that a reader might see. */
function domainsOf(address: string): string[] {
  const { local, domain } = splitAddress(address);
  const read = dnsDomain(domain);
  if (read === undefined) return shownIn(address);
  return local.includes("@") ? [read, ...shownIn(local)] : [read];
}

function shownIn(value: string): string[] {
  const shown = [...value.slice(0, LOOKED_AT).matchAll(AFTER_AT)];
  return shown.flatMap(([, domain = ""]) => dnsDomain(domain) ?? []);
}
