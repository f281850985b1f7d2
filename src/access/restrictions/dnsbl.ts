import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { ipv6Groups } from "../../dns/name.ts";
import type { Answer } from "../../table/table.ts";
import { asciiDomain } from "../../address/idna.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import { authorizeDestination } from "./destination_restrictions.ts";
import { ask } from "./dns_checks.ts";
import { type AddressPattern, matchesAddress, parseAddressPattern } from "./dnsbl_filter.ts";
import { expandTemplate } from "../reply/reply_template.ts";
import type { Query, Refusal, Restriction, Subject, Verdict } from "../restriction.ts";
import { splitStatus, statusForSubject } from "../reply/status_text.ts";
import { DUNNO, reject, rejectedText, serverError, warned, withWarnings } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** What is looked up in a list, and the subject that a refusal names. */
export interface Listed {
  /** Address or domain, as the operator's `$rbl_what` shows it. */
  what(query: Query): string | undefined;
  about(query: Query, what: string): Subject;
  /** The query's first labels; undefined: this cannot be on the list. */
  labels(what: string): string | undefined;
}

/** A list: its domain and, after `=`, the answers that count. */
interface DnsList {
  readonly domain: string;
  readonly filter: AddressPattern | undefined;
}

type Listing =
  | { readonly is: "listed"; readonly reason: string }
  | { readonly is: "clean" }
  | { readonly is: "later"; readonly warning: string };

/** Longest reason that goes into a reply. */
const MAX_REASON = 500;

/** The labels for a client address: octets or nibbles backwards (RFC 5782 §2.1, §2.4). */
export function addressLabels(address: string): string | undefined {
  if (!address.includes(":")) return address.split(".").reverse().join(".");
  const groups = ipv6Groups(address);
  if (groups === undefined) return undefined;
  return [...groups.map((group) => group.toString(16).padStart(4, "0")).join("")].reverse().join(".");
}

/** The labels for a name or mail address: its domain, unless that is or ends in a number (RFC 5782 §2.2). */
export function domainLabels(what: string): string | undefined {
  const domain = what.slice(what.lastIndexOf("@") + 1);
  if (domain === "" || domain.startsWith("[") || /^\d*$/.test(domain.slice(domain.lastIndexOf(".") + 1))) {
    return undefined;
  }
  const ascii = asciiDomain(domain) || domain;
  return isAsciiHostname(ascii) ? ascii : undefined;
}

/** reject_rbl_client, reject_rhsbl_*: refused when listed; a list that does not answer blocks nobody. */
export function rejectListed(deps: RestrictionDeps, spec: string, listed: Listed): Restriction {
  const list = parseList(spec);
  if ("is" in list) return () => list;
  const maps = deps.openTables.maps(deps.settings.rbl_reply_maps, "rbl_reply_maps");
  return (query) => {
    const what = listed.what(query);
    if (what === undefined) return DUNNO;
    return then(listing(deps, list, listed.labels(what)), (found): MaybeAsync<Verdict> => {
      if (found.is === "later") return warned(found.warning);
      if (found.is === "clean") return DUNNO;
      const about = listed.about(query, what);
      const macros = replyMacros(deps, list, what, about, found.reason);
      return then(maps?.whole.find(spec), (template) => reply(deps, template, macros, about, query));
    });
  };
}

/** permit_dnswl_client, permit_rhswl_client: permitted when listed, but never a way to relay. */
export function permitListed(
  deps: RestrictionDeps,
  spec: string,
  listed: Listed,
  permit: (query: Query) => Verdict,
): Restriction {
  const list = parseList(spec);
  if ("is" in list) return () => list;
  return (query) => {
    const what = listed.what(query);
    if (what === undefined) return DUNNO;
    return then(mayPermit(deps, query), (may): MaybeAsync<Verdict> => {
      if (typeof may === "object") return may;
      if (!may) return DUNNO;
      return then(listing(deps, list, listed.labels(what)), (found): Verdict => {
        if (found.is === "listed") return permit(query);
        if (found.is === "clean") return DUNNO;
        const { class: kind } = listed.about(query, what);
        const text = rejectedText({ name: what, class: kind }, "Service unavailable");
        return {
          is: "defer_if_reject",
          refusal: { code: 450, status: "4.7.1", text },
          warnings: [found.warning],
        };
      });
    });
  };
}

function mayPermit(deps: RestrictionDeps, query: Query): MaybeAsync<boolean | Verdict> {
  const { recipient } = query.facts;
  if (query.stage !== "RCPT" || recipient === undefined) return true;
  return then(authorizeDestination(deps, query, recipient), (answer) => {
    return typeof answer === "object" ? answer : answer === "authorized";
  });
}

function parseList(spec: string): DnsList | Verdict {
  const equals = spec.indexOf("=");
  if (equals < 0) return { domain: spec, filter: undefined };
  const filter = parseAddressPattern(spec.slice(equals + 1));
  if (typeof filter === "string") return serverError(`RBL reply error: ${filter}`);
  return { domain: spec.slice(0, equals), filter };
}

function listing(
  deps: RestrictionDeps,
  list: DnsList,
  labels: string | undefined,
): MaybeAsync<Listing> {
  return labels === undefined ? { is: "clean" } : question(deps, list, `${labels}.${list.domain}`);
}

async function question(deps: RestrictionDeps, list: DnsList, name: string): Promise<Listing> {
  const answer = await ask(deps, name, "A");
  if (answer.is === "trouble") {
    return { is: "later", warning: `${name}: RBL lookup error: ${troubleText(name, answer.why)}` };
  }
  if (answer.is !== "records") return { is: "clean" };
  const { filter } = list;
  if (filter !== undefined && !answer.records.some(({ address }) => matchesAddress(filter, address))) {
    return { is: "clean" };
  }
  const texts = await ask(deps, name, "TXT");
  // Blanks for what is not printable, as in dns_lookup(3).
  const reason = texts.is === "records"
    ? texts.records.map(({ text }) => text.replace(/[^\x20-\x7e]/g, " ")).join(" / ")
    : "";
  return { is: "listed", reason: reason.slice(0, MAX_REASON) };
}

function troubleText(name: string, why: string): string {
  return `Host or domain name not found. Name service error for name=${name} type=A: ${why}`;
}

/** What a reply template may show of the listing. */
function replyMacros(deps: RestrictionDeps, list: DnsList, what: string, about: Subject, reason: string) {
  return {
    rbl_code: String(deps.settings.maps_rbl_reject_code),
    rbl_domain: list.domain,
    rbl_reason: reason,
    rbl_txt: reason,
    rbl_what: what,
    rbl_class: about.class,
  };
}

/** The reply by rbl_reply_maps or default_rbl_reply; a template that gives no reply is a deferral (postconf(5)). */
function reply(
  deps: RestrictionDeps,
  answer: Answer | undefined,
  macros: Readonly<Record<string, string>>,
  about: Subject,
  query: Query,
): Verdict {
  if (answer?.is === "trouble") return serverError(answer.why);
  const own = answer?.is === "found" ? [answer.value] : [];
  for (const template of [...own, deps.settings.default_rbl_reply]) {
    const expanded = expandTemplate(template, query.facts, deps.templates, macros);
    if (expanded.is === "text") {
      return withWarnings({ is: "reject", ...asRefusal(expanded.text, about) }, expanded.warnings);
    }
  }
  return serverError(`bad default rbl reply template: ${deps.settings.default_rbl_reply}`);
}

function asRefusal(text: string, about: Subject): { refusal: Refusal; warnings?: readonly string[] } {
  const match = /^([45]\d\d) (.*)$/s.exec(text);
  if (match === null) {
    const { refusal } = reject(450, "4.7.1", "Service unavailable");
    return { refusal, warnings: [`rbl response code configuration error: ${text}`] };
  }
  const parts = splitStatus(match[2]!, "4.7.1");
  const status = statusForSubject(parts.status, about.class);
  const shown = parts.text === "" ? "Service unavailable" : parts.text;
  return { refusal: { code: Number(match[1]), status, text: shown } };
}
