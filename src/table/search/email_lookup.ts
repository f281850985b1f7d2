import { quoteAddress } from "../../address/address.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { splitExtension } from "./extension.ts";
import { ABSENT, type Answer } from "../table.ts";

/** One form of an address to look up. */
export type AddressForm =
  /** `user+ext@domain` */
  | "full"
  /** `user@domain` */
  | "no-extension"
  /** `user+ext`, then `user`, when the domain is our own */
  | "local-part"
  /** `@domain` */
  | "at-domain"
  /** `domain` (access(5), transport(5)) */
  | "domain"
  /** `.domain` of each parent (transport(5)) */
  | "parent-dot-domains"
  /** each parent domain as it is (access(5) with parent_domain_matches_subdomains) */
  | "parent-domains"
  /** `user+ext@`, then `user@` (access(5)) */
  | "local-part-at";

/** What canonical(5), virtual(5) and generic(5) try, in order. */
export const REWRITE_FORMS: readonly AddressForm[] = ["full", "no-extension", "local-part", "at-domain"];

/** How to look an address up. */
export interface EmailLookup {
  /** recipient_delimiter; "" turns extensions off. */
  readonly delimiters: string;
  /** owner_request_special; default true. */
  readonly ownerRequestSpecial?: boolean;
  readonly forms: readonly AddressForm[];
  /** Whether a domain is $myorigin, $mydestination or an own address: bare local parts are tried only then. */
  readonly isLocal?: (domain: string) => boolean;
}

/** An answer and what of the address the key left out. */
export interface EmailAnswer {
  readonly answer: Answer;
  /** The key that was found, or on which there was trouble. */
  readonly key: string;
  /** Extension with its delimiter (`+ext`), "" unless the matching key lacked it (propagate_unmatched_extensions). */
  readonly extension: string;
}

interface Candidate {
  readonly key: string;
  readonly extension: string;
}

/** All parents of a domain, nearest first: `a.b.c` gives `b.c`, `c`. */
function parentDomains(domain: string): string[] {
  const parents: string[] = [];
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) {
    if (dot + 1 < domain.length) parents.push(domain.slice(dot + 1));
  }
  return parents;
}

interface Parts {
  readonly address: string;
  readonly local: string;
  readonly base: string;
  readonly extension: string;
  /** With its "@"; "" for a bare local part. */
  readonly atDomain: string;
}

function partsOf(address: string, lookup: EmailLookup): Parts {
  const at = address.lastIndexOf("@");
  const local = at < 0 ? address : address.slice(0, at);
  const { base, extension, delimiter } = splitExtension(local, lookup.delimiters, lookup.ownerRequestSpecial);
  return {
    address,
    local,
    base,
    extension: extension === undefined ? "" : delimiter + extension,
    atDomain: at < 0 ? "" : address.slice(at),
  };
}

function candidatesOf(form: AddressForm, parts: Parts, lookup: EmailLookup): Candidate[] {
  const { address, local, base, extension, atDomain } = parts;
  const domain = atDomain.slice(1);
  const bare = (key: string): Candidate => ({ key, extension });
  const withAndWithout = (tail: string) => {
    const exact = { key: local + tail, extension: "" };
    return extension === "" ? [exact] : [exact, bare(base + tail)];
  };
  switch (form) {
    case "full":
      return [{ key: address, extension: "" }];
    case "no-extension":
      return extension === "" ? [] : [bare(base + atDomain)];
    case "local-part":
      return domain !== "" && lookup.isLocal?.(domain) === true ? withAndWithout("") : [];
    case "at-domain":
      return domain === "" ? [] : [bare(atDomain)];
    case "domain":
      return domain === "" ? [] : [bare(domain)];
    case "parent-domains":
      return parentDomains(domain).map(bare);
    case "parent-dot-domains":
      return parentDomains(domain).map((parent) => bare(`.${parent}`));
    case "local-part-at":
      return withAndWithout("@");
  }
}

/** Keys are written in external form (quoted local parts); where that differs, the internal form is tried after it. */
function* keysOf(address: string, lookup: EmailLookup): Generator<Candidate> {
  const parts = partsOf(address, lookup);
  for (const form of lookup.forms) {
    for (const candidate of candidatesOf(form, parts, lookup)) {
      if (!PLAIN.test(candidate.key)) {
        const key = candidate.key.startsWith("@") ? candidate.key : quoteAddress(candidate.key);
        if (key !== candidate.key) yield { ...candidate, key };
      }
      yield candidate;
    }
  }
}

/** Needs no quotes in external form: most keys. */
const PLAIN = /^[\w!#$%&'*+/=?^`{|}~.@-]+$/;

const NOTHING: EmailAnswer = { answer: ABSENT, key: "", extension: "" };

/**
 * Looks an address (internal form) up under its forms, in the order of `lookup.forms`; first hit wins, trouble stops
 * (mail_addr_find; canonical(5), virtual(5), generic(5), relocated(5)). Pattern tables see every form too, as in Postfix.
 */
export function findAddress(
  find: (key: string) => MaybeAsync<Answer>,
  address: string,
  lookup: EmailLookup,
): MaybeAsync<EmailAnswer> {
  return walk(find, keysOf(address, lookup));
}

function walk(
  find: (key: string) => MaybeAsync<Answer>,
  keys: Generator<Candidate>,
): MaybeAsync<EmailAnswer> {
  for (let next = keys.next(); !next.done; next = keys.next()) {
    const { key, extension } = next.value;
    const answer = find(key);
    if (isPromise(answer)) {
      return answer.then((later) =>
        later.is === "absent" ? walk(find, keys) : { answer: later, key, extension }
      );
    }
    if (answer.is !== "absent") return { answer, key, extension };
  }
  return NOTHING;
}
