import { addressLabels } from "../../access/restrictions/dnsbl.ts";
import { printable } from "../../base/printable.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { whyNothing } from "../name_lookup.ts";

const NAME = "DNSBL";
/** Longest reason that is shown. */
const MOST = 200;

/** Asks one list of the DNS about one address (RFC 5782 §2.1). */
export async function checkListed(
  address: string,
  list: string,
  resolver: Pick<Resolver, "query">,
  signal: AbortSignal,
): Promise<CheckResult> {
  const name = `${addressLabels(address) ?? address}.${list}`;
  const answer = await resolver.query(name, "A", signal);
  if (answer.is === "trouble") return warning(NAME, `${list} ${whyNothing(answer)}`);
  if (answer.is !== "records") return ok(NAME, `${address} is not on ${list}`);
  const codes = answer.records.map(({ address: code }) => code);
  // What lists say to those whom they do not answer, such as users of public resolvers.
  if (codes.every((code) => code.startsWith("127.255.255."))) {
    return warning(NAME, `${list} refuses to answer this resolver (${codes.join(", ")})`, {
      fix: "ask with a resolver of your own: dns_servers",
    });
  }
  if (!codes.some((code) => code.startsWith("127."))) {
    return warning(NAME, `${list} answers ${codes.join(", ")}, which no list does (RFC 5782 §2.1)`);
  }
  const texts = await resolver.query(name, "TXT", signal);
  const reason = texts.is === "records" ? texts.records.map(({ text }) => text).join(" / ") : "";
  const said = reason === "" ? "" : `: ${printable(reason).slice(0, MOST)}`;
  return problem(NAME, `${address} is on ${list} (${codes.join(", ")})${said}`, {
    fix: "find out why mail was sent that it is listed for, then ask the list to take it off",
  });
}
