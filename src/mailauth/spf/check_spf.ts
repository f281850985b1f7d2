import { splitAddress } from "../../address/address.ts";
import { asciiDomain } from "../../address/idna.ts";
import { parseIp, withoutMapping } from "../../address/ip.ts";
import type { Clock } from "../../base/clock.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { Evaluation } from "./evaluation.ts";
import type { Subject } from "./expand_macros.ts";
import { isMailDomain } from "./spf_domain.ts";
import type { SpfResult } from "./spf_result.ts";

/** Who says to be whom. */
export interface SpfQuery {
  /** The client's address; a v4-mapped one counts as IPv4 (RFC 7208 §5). */
  readonly ip: string;
  /** As the client gave it; "" where it gave none. */
  readonly helo: string;
  /** The address of MAIL in internal form; "" is the null sender, for which the HELO name is judged (RFC 7208 §2.4). */
  readonly sender: string;
  /** Our own name, for the explanation's `%{r}`. */
  readonly receiver: string;
}

/** What a check needs of the world. */
export interface SpfWorld {
  readonly resolver: Pick<Resolver, "query">;
  readonly clock: Clock;
  /** Gives up early: the result is temperror then. */
  readonly signal?: AbortSignal;
}

/** How long a check may take in milliseconds (RFC 7208 §4.6.4). */
const TIME_LIMIT = 20_000;

/** Judges a client by the SPF record of the domain whose name it uses (RFC 7208). Never rejects for a reason of the DNS. */
export async function checkSpf(query: SpfQuery, world: SpfWorld): Promise<SpfResult> {
  const { identity, local, domain } = identityOf(query);
  const named = { identity, domain } as const;
  const ip = parseIp(withoutMapping(query.ip));
  if (ip === undefined) return { is: "none", ...named, why: "the client's address is not known" };
  if (!isMailDomain(domain)) return { is: "none", ...named, why: "no domain name" };
  const subject: Subject = {
    ip,
    sender: `${local}@${domain}`,
    local,
    senderDomain: domain,
    helo: query.helo,
    receiver: query.receiver,
    now: world.clock.now(),
  };
  return await withinTime(
    world,
    async (signal) => ({ ...named, ...await judge(subject, world.resolver, signal) }),
  );
}

/** The identity that is judged: the sender, or postmaster at the HELO name (RFC 7208 §2.4, §4.3). */
function identityOf({ sender, helo }: SpfQuery) {
  if (sender === "") return { identity: "helo", local: POSTMASTER, domain: domainOf(helo) } as const;
  const { local, domain } = splitAddress(sender);
  return {
    identity: "mailfrom",
    local: local === "" ? POSTMASTER : local,
    domain: domainOf(domain),
  } as const;
}

const POSTMASTER = "postmaster";

function domainOf(text: string): string {
  return asciiDomain(text).toLowerCase().replace(/\.$/, "");
}

async function judge(
  subject: Subject,
  resolver: SpfWorld["resolver"],
  signal: AbortSignal,
): Promise<Pick<SpfResult, "is" | "mechanism" | "explanation" | "why">> {
  const evaluation = new Evaluation(subject, { resolver, signal });
  const { is, mechanism, why, decided } = await evaluation.evaluate(subject.senderDomain);
  const explanation = is === "fail" && decided !== undefined ? await evaluation.explain(decided) : undefined;
  return {
    is,
    ...(mechanism !== undefined && { mechanism }),
    ...(why !== undefined && { why }),
    ...(explanation !== undefined && { explanation }),
  };
}

/** Gives some work a signal that ends it when its time is over, or when the caller gives up. */
async function withinTime<Done>(
  { clock, signal }: SpfWorld,
  work: (signal: AbortSignal) => Promise<Done>,
): Promise<Done> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const cancel = clock.after(TIME_LIMIT, end);
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await work(ending.signal);
  } finally {
    cancel();
    signal?.removeEventListener("abort", end);
  }
}
