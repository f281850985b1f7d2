import { isUtf8 } from "node:buffer";
import {
  AbandonRequest,
  AndFilter,
  ApproximateFilter,
  BerReader,
  BindRequest,
  EqualityFilter,
  ExtendedRequest,
  ExtensibleFilter,
  type Filter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SearchEntry,
  SearchRequest,
  SearchResponse,
  SubstringFilter,
  UnbindRequest,
} from "ldapts";
import type { LdapFilter } from "./ldap_filter.ts";
import { type Element, elements, FrameSplitter } from "./ldap_frames.ts";
import { BAD_FILTER, DECODING_ERROR, LdapFault, resultText } from "./ldap_result_codes.ts";
import type { LdapScope } from "./ldap_url.ts";

/** One search (RFC 4511 §4.5.1). */
export interface LdapSearch {
  readonly base: string;
  readonly scope: LdapScope;
  readonly filter: LdapFilter;
  /** Empty asks for no attribute at all. */
  readonly attributes: readonly string[];
  /** Entries, 0 for any number. */
  readonly sizeLimit: number;
  /** Seconds that the server may take. */
  readonly timeLimit: number;
  /** 0 never, 1 searching, 2 finding the base, 3 always. */
  readonly dereference: number;
}

/** How to say who we are. */
export type LdapCredentials =
  | { readonly by: "simple"; readonly dn: string; readonly password: string }
  | { readonly by: "EXTERNAL"; readonly authorization: string }
  | {
    readonly by: "PLAIN";
    readonly authorization: string;
    readonly user: string;
    readonly password: string;
  };

/** An entry of the directory: attributes in the server's order. */
export interface LdapEntry {
  readonly dn: string;
  readonly attributes: readonly { readonly name: string; readonly values: readonly Buffer[] }[];
}

/** What a server says. */
export type LdapResponse =
  | { readonly is: "entry"; readonly id: number; readonly entry: LdapEntry }
  | { readonly is: "reference"; readonly id: number; readonly urls: readonly string[] }
  | {
    readonly is: "result";
    readonly id: number;
    readonly code: number;
    readonly text: string;
    readonly urls: readonly string[];
  };

/** The request that turns TLS on (RFC 4511 §4.14.1). */
export function encodeStartTls(messageId: number): Buffer {
  return new ExtendedRequest({ messageId, oid: "1.3.6.1.4.1.1466.20037" }).write();
}

/**
 * Whether the server's whole answer to that request is there; throws when it refuses, or has said more: what comes in the clear
 * after the answer may be a stranger's.
 */
export function acceptsStartTls(answer: Buffer): boolean {
  const [frame, ...more] = new FrameSplitter().push(answer);
  if (frame === undefined) return false;
  if (more.length > 0 || frame.length < answer.length) {
    throw new LdapFault(DECODING_ERROR, "the server has spoken between STARTTLS and TLS");
  }
  const response = decode(frame);
  const code = response.is === "result" ? response.code : DECODING_ERROR;
  if (code === 0) return true;
  const text = response.is === "result" ? response.text : "";
  throw new Error(`Unable to set STARTTLS: ${code}: ${resultText(code)}${text === "" ? "" : `: ${text}`}`);
}

/** The end of a connection (RFC 4511 §4.3). */
export function encodeUnbind(messageId: number): Buffer {
  return new UnbindRequest({ messageId }).write();
}

/** Tells the server that nobody waits for that answer any more (RFC 4511 §4.11). */
export function encodeAbandon(messageId: number, abandonId: number): Buffer {
  return new AbandonRequest({ messageId, abandonId }).write();
}

/** The login (RFC 4511 §4.2). */
export function encodeBind(messageId: number, credentials: LdapCredentials): Buffer {
  switch (credentials.by) {
    case "simple":
      return new BindRequest({ messageId, dn: credentials.dn, password: credentials.password }).write();
    case "EXTERNAL":
      return new BindRequest({ messageId, mechanism: "EXTERNAL", password: credentials.authorization })
        .write();
    case "PLAIN": {
      const { authorization, user, password } = credentials;
      return new BindRequest({
        messageId,
        mechanism: "PLAIN",
        password: `${authorization}\0${user}\0${password}`,
      }).write();
    }
  }
}

const DEREFERENCE = ["never", "search", "find", "always"] as const;

/** A search (RFC 4511 §4.5.1). */
export function encodeSearch(messageId: number, search: LdapSearch): Buffer {
  return new SearchRequest({
    messageId,
    baseDN: search.base,
    scope: search.scope,
    filter: libraryFilter(search.filter),
    attributes: search.attributes.length === 0 ? ["1.1"] : [...search.attributes],
    sizeLimit: search.sizeLimit,
    timeLimit: search.timeLimit,
    derefAliases: DEREFERENCE[search.dereference],
  }).write();
}

function libraryFilter(filter: LdapFilter): Filter {
  switch (filter.is) {
    case "and":
      return new AndFilter({ filters: filter.of.map(libraryFilter) });
    case "or":
      return new OrFilter({ filters: filter.of.map(libraryFilter) });
    case "not":
      return new NotFilter({ filter: libraryFilter(filter.of) });
    case "present":
      return new PresenceFilter({ attribute: filter.attribute });
    case "equal":
      return new EqualityFilter({ attribute: filter.attribute, value: filter.value });
    case "greater":
      return new GreaterThanEqualsFilter({ attribute: filter.attribute, value: text(filter.value) });
    case "less":
      return new LessThanEqualsFilter({ attribute: filter.attribute, value: text(filter.value) });
    case "approximate":
      return new ApproximateFilter({ attribute: filter.attribute, value: text(filter.value) });
    case "substrings": {
      const [initial = "", ...rest] = filter.pieces.map(text);
      const final = rest.pop();
      const any = rest.filter((piece) => piece !== "");
      return new SubstringFilter({ attribute: filter.attribute, initial, any, final });
    }
    case "extensible": {
      const { attribute: matchType, rule, ofDn: dnAttributes, value } = filter;
      return new ExtensibleFilter({ matchType, rule, dnAttributes, value: text(value) });
    }
  }
}

/** The library takes bytes for equality only. */
function text(value: Buffer): string {
  if (isUtf8(value)) return value.toString();
  throw new LdapFault(BAD_FILTER, "bytes that are no UTF-8 text can only be compared for equality");
}

const SEARCH_ENTRY = 0x64;
const SEARCH_REFERENCE = 0x73;
/** Bind, end of search, extended (RFC 4511 §4.2.2, §4.5.2, §4.12). */
const RESULTS = new Set([0x61, 0x65, 0x78]);
const REFERRAL_URLS = 0xa3;

/** Understands one message. Throws an LdapFault for what is no response to what we ask. */
export function decode(frame: Buffer): LdapResponse {
  const [envelope] = elements(frame, 0, frame.length);
  const [id, operation] = elements(frame, envelope!.start, envelope!.end);
  if (id?.tag !== 0x02 || operation === undefined) throw malformed();
  const reader = new BerReader(frame);
  reader.setBufferSize(operation.end);
  reader.readSequence();
  const messageId = reader.readInt() ?? 0;
  const parts = elements(frame, operation.start, operation.end);
  if (operation.tag === SEARCH_ENTRY) {
    checkEntry(frame, parts);
    reader.readSequence();
    return { is: "entry", id: messageId, entry: entryFrom(reader, messageId) };
  }
  if (operation.tag === SEARCH_REFERENCE) {
    return { is: "reference", id: messageId, urls: strings(frame, parts) };
  }
  if (!RESULTS.has(operation.tag)) throw malformed();
  checkTags(parts.slice(0, 3), [0x0a, 0x04, 0x04]);
  reader.readSequence();
  const result = new SearchResponse({ messageId });
  result.parse(reader, []);
  const referral = parts.find(({ tag }) => tag === REFERRAL_URLS);
  return {
    is: "result",
    id: messageId,
    code: result.status,
    text: result.errorMessage,
    urls: referral === undefined ? [] : strings(frame, elements(frame, referral.start, referral.end)),
  };
}

const malformed = () => new LdapFault(DECODING_ERROR, "a message in an unknown form");

function checkTags(parts: readonly Element[], tags: readonly number[]): void {
  if (parts.length !== tags.length || parts.some(({ tag }, at) => tag !== tags[at])) throw malformed();
}

/** The library's reader does not come to an end when an element is longer than what it is in: so its form is looked at first. */
function checkEntry(frame: Buffer, parts: readonly Element[]): void {
  checkTags(parts, [0x04, 0x30]);
  for (const attribute of elements(frame, parts[1]!.start, parts[1]!.end)) {
    if (attribute.tag !== 0x30) throw malformed();
    const both = elements(frame, attribute.start, attribute.end);
    checkTags(both, [0x04, 0x31]);
    const values = elements(frame, both[1]!.start, both[1]!.end);
    if (values.some(({ tag }) => tag !== 0x04)) throw malformed();
  }
}

function strings(frame: Buffer, parts: readonly Element[]): string[] {
  return parts.map(({ tag, start, end }) => {
    if (tag !== 0x04) throw malformed();
    return frame.toString("utf8", start, end);
  });
}

function entryFrom(reader: BerReader, messageId: number): LdapEntry {
  const entry = new SearchEntry({ messageId });
  entry.parse(reader, []);
  return {
    dn: entry.name,
    attributes: entry.attributes.map(({ type, parsedBuffers }) => ({ name: type, values: parsedBuffers })),
  };
}
