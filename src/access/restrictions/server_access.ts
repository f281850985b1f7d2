import { then } from "../../base/maybe_async.ts";
import type { Answer } from "../../table/table.ts";
import type { Families } from "../../dns/answer.ts";
import { whyNot } from "../../dns/reverse.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isHostAddress, literalAddress } from "../../address/host_address.ts";
import { withoutMapping } from "../../address/ip.ts";
import { asciiDomain } from "../../address/idna.ts";
import { firstFound } from "../table/access_table.ts";
import { addressKeys, domainKeys } from "../../table/search/host_keys.ts";
import { ask } from "./dns_checks.ts";
import { type AccessQuestion, lookupVerdict, withoutPermit } from "../table/lookup_verdict.ts";
import type { DefaultCheck, Query, Restriction, Subject, Verdict } from "../restriction.ts";
import { DUNNO, warned, withWarnings } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Whose servers are looked up. */
export interface ServerTarget {
  /** The name or address whose domain counts; undefined: nothing to check. */
  nameOf(query: Query): string | undefined;
  about(query: Query, name: string): Subject;
}

/** A server's addresses past this number are not looked at (dns_rr_list_limit's purpose: bounded work). */
const MAX_ADDRESSES = 100;

/** Address families that inet_protocols turns on. */
export function ownFamilies(deps: RestrictionDeps): Families {
  const protocols = splitList(deps.settings.inet_protocols);
  const has = (name: string) => protocols.includes(name) || protocols.includes("all");
  return [...(has("ipv4") ? [4 as const] : []), ...(has("ipv6") ? [6 as const] : [])];
}

/** check_*_a_access, check_*_mx_access, check_*_ns_access: rules by the servers of a domain; they never permit. */
export function checkServerAccess(
  deps: RestrictionDeps,
  type: "A" | "MX" | "NS",
  spec: string,
  target: ServerTarget,
  defaultCheck: DefaultCheck | undefined,
  name: string,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) => {
    const who = target.nameOf(query);
    if (who === undefined || who === "") return DUNNO;
    const question = { table, datum: "", about: target.about(query, who), query, defaultCheck };
    const domain = who.slice(who.lastIndexOf("@") + 1);
    const verdict = domain.startsWith("[")
      ? literalAccess(deps, type, domain, question)
      : serverAccess(deps, type, { who, domain: asciiDomain(domain) || domain }, question);
    return then(verdict, (known) => withoutPermit(known, name, who));
  };
}

/** An address literal is its own mail exchanger; it has no name servers. */
function literalAccess(
  deps: RestrictionDeps,
  type: "A" | "MX" | "NS",
  domain: string,
  question: AccessQuestion,
) {
  const address = type === "NS" || !domain.endsWith("]") ? undefined : literalAddress(domain.slice(1, -1));
  if (address === undefined) return DUNNO;
  const answer = firstFound(question.table, serverAddressKeys(address));
  return then(answer, (known) => lookupVerdict(deps, { ...question, datum: address }, known));
}

/** Keys for a server's address; a v4-mapped one is no way around the rules for the IPv4 address that it stands for. */
function serverAddressKeys(address: string): readonly string[] {
  const native = withoutMapping(address);
  return native === address ? addressKeys(address) : [...addressKeys(address), ...addressKeys(native)];
}

async function serverAccess(
  deps: RestrictionDeps,
  type: "A" | "MX" | "NS",
  target: { readonly who: string; readonly domain: string },
  question: AccessQuestion,
): Promise<Verdict> {
  const servers = type === "A" ? [target.domain] : await serversOf(deps, type, target);
  if (!Array.isArray(servers)) return servers;
  const run: Run = { addresses: MAX_ADDRESSES, warnings: [] };
  for (const server of servers) {
    const verdict = await oneServer(deps, type, server, question, run);
    if (verdict !== undefined) return withWarnings(verdict, run.warnings);
    if (run.addresses < 0) break;
  }
  return withWarnings(DUNNO, run.warnings);
}

/** What is left to look at, and what went wrong on the way. */
interface Run {
  addresses: number;
  readonly warnings: string[];
}

/** The servers, or a verdict when they cannot be told. No MX: the domain itself. No NS: those of a parent domain. */
async function serversOf(
  deps: RestrictionDeps,
  type: "MX" | "NS",
  { who, domain }: { readonly who: string; readonly domain: string },
): Promise<string[] | Verdict> {
  if (type === "MX") {
    const answer = await ask(deps, domain, "MX");
    if (answer.is === "records") {
      const hosts = answer.records.map((mx) => mx.exchange);
      return hosts.length === 1 && hosts[0] === "" ? DUNNO : hosts;
    }
    return answer.is === "trouble" ? unknown(type, domain, answer.why) : [domain];
  }
  for (let name = domain; name !== ""; name = name.includes(".") ? name.slice(name.indexOf(".") + 1) : "") {
    const answer = await ask(deps, name, "NS");
    if (answer.is === "records") return answer.records.map((ns) => ns.target);
    if (answer.is === "trouble") return unknown(type, name, answer.why);
  }
  return unknown(type, who, "Host not found");
}

function unknown(type: string, domain: string, why: string): Verdict {
  return warned(`Unable to look up ${type} host for ${domain}: ${why}`);
}

/** The verdict on one server, by name and then by its addresses; undefined when the table knows neither. */
async function oneServer(
  deps: RestrictionDeps,
  type: "A" | "MX" | "NS",
  server: string,
  question: AccessQuestion,
  run: Run,
): Promise<Verdict | undefined> {
  const { table } = question;
  const settle = (answer: Answer, datum: string) =>
    answer.is === "absent" ? undefined : lookupVerdict(deps, { ...question, datum }, answer);
  const byAddress = async (address: string) =>
    settle(await firstFound(table, serverAddressKeys(address)), address);
  if (isHostAddress(server)) return await byAddress(server);
  if (type !== "A") {
    const answer = await firstFound(table, domainKeys(server, deps.lookup.parentMatches));
    const verdict = settle(answer, server);
    if (verdict !== undefined) return verdict;
  }
  const found = await deps.dns?.addresses(server, ownFamilies(deps));
  if (found?.is !== "records") {
    const why = found === undefined ? "Temporary failure in name resolution" : whyNot(found);
    const { class: kind, name } = question.about;
    if (type !== "A") {
      run.warnings.push(`Unable to look up ${type} host ${server} for ${kind} ${name}: ${why}`);
    }
    return undefined;
  }
  for (const { address } of found.addresses) {
    if (--run.addresses < 0) {
      const { class: kind, name } = question.about;
      run.warnings.push(
        `${type} server address count limit (${MAX_ADDRESSES}) exceeded for ${kind} ${name} -- ignoring the remainder`,
      );
      return undefined;
    }
    const verdict = await byAddress(address);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}
