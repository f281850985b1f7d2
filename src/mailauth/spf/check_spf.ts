import type { Clock } from "../../base/clock.ts";
import type { Resolver } from "../../dns/resolver.ts";
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

/** Judges a client by the SPF record of the domain whose name it uses (RFC 7208). Never rejects for a reason of the DNS. */
export function checkSpf(_query: SpfQuery, _world: SpfWorld): Promise<SpfResult> {
  return Promise.resolve({ is: "none", identity: "mailfrom", domain: "", why: "not checked" });
}
