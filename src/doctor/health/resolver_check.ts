import type { Server } from "../../dns/exchange.ts";
import type { ServerProbe } from "../../dns/server_probe.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** What is known of the name servers. */
export interface ResolverFacts {
  readonly probes: readonly ServerProbe[];
  /** `NS of .`: what they were asked. */
  readonly question: string;
  /** A client wants answers that were validated (smtp_dns_support_level = dnssec). */
  readonly wantsDnssec: boolean;
  /** Lists of the DNS are asked about clients (reject_rbl_client and its kin). */
  readonly asksLists: boolean;
}

const RESOLVER = "resolver";
const WHERE = "dns_servers in main.cf, else /etc/resolv.conf, says who is asked";
const OWN = "run a validating resolver on this machine (unbound) and let dns_servers = 127.0.0.1";

/** Resolvers for everybody, which lists of the DNS do not answer as they answer others. */
const PUBLIC: ReadonlySet<string> = new Set([
  "1.1.1.1",
  "1.0.0.1",
  "8.8.8.8",
  "8.8.4.4",
  "9.9.9.9",
  "149.112.112.112",
  "208.67.222.222",
  "208.67.220.220",
]);

/** Whether names can be looked up, and what the name servers cannot do that mail needs. */
export function checkResolver(facts: ResolverFacts): CheckResult[] {
  const { probes, question } = facts;
  const good = probes.filter(({ trouble }) => trouble === undefined);
  const bad = probes.filter(({ trouble }) => trouble !== undefined)
    .map(({ server, trouble }) => `${serverText(server)}: ${trouble}`);
  if (good.length === 0) {
    return [problem(RESOLVER, `no name server answers (${question}): ${bad.join("; ")}`, { fix: WHERE })];
  }
  const found = [
    ...(bad.length === 0
      ? []
      : [warning(RESOLVER, `of no use: ${bad.join("; ")}: lookups wait for it first`, { fix: WHERE })]),
    ...abilities(good, facts),
  ];
  if (found.length > 0) return found;
  const dnssec = good.every(({ authentic }) => authentic) ? ", DNSSEC" : "";
  return [ok(RESOLVER, `${named(good)} answers: EDNS, TCP${dnssec}`)];
}

function abilities(
  good: readonly ServerProbe[],
  { question, wantsDnssec, asksLists }: ResolverFacts,
): CheckResult[] {
  const [old, noTcp] = [good.filter(({ edns }) => !edns), good.filter(({ tcp }) => !tcp)];
  const open = good.filter(({ server }) => PUBLIC.has(server.host));
  return [
    ...say(old, "knows no EDNS: long answers (DKIM keys, TLSA) take a second question, over TCP", OWN),
    ...say(noTcp, "does not answer over TCP: answers that are too long for a datagram are lost", {
      fix: "let port 53 through for TCP, too (RFC 7766)",
    }),
    ...(wantsDnssec && !good.some(({ authentic }) => authentic)
      ? say(
        good,
        `does not say that answers are validated (${question}): DANE protects nothing (smtp_dns_support_level = dnssec)`,
        OWN,
      )
      : []),
    ...(asksLists
      ? say(open, "is for everybody, and lists of the DNS refuse to answer those (reject_rbl_client)", OWN)
      : []),
  ];
}

function say(
  probes: readonly ServerProbe[],
  what: string,
  fix: string | { readonly fix: string },
): CheckResult[] {
  if (probes.length === 0) return [];
  return [warning(RESOLVER, `${named(probes)} ${what}`, typeof fix === "string" ? { fix } : fix)];
}

const named = (probes: readonly ServerProbe[]) => probes.map(({ server }) => serverText(server)).join(", ");

function serverText({ host, port }: Server): string {
  return port === 53 ? host : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
