import { policyText } from "../../tls/client/policy_identity.ts";
import type { ClientTlsPolicy } from "../../tls/client_policy.ts";
import { NO_TLS_POLICY } from "../../tls/client/complete_policy.ts";
import { type LoginDemand, loginText, NO_LOGIN } from "./login/login_demand.ts";
import type { Peer } from "./peer.ts";
import type { RequireTlsLevel } from "./tls/requiretls_policy.ts";

/** What the operator demands of a connection. */
export interface Demand {
  readonly tls: ClientTlsPolicy;
  /** The same as text: all that tells one policy of TLS from another. */
  readonly policy: string;
  /** The login that it is to have, where the server offers AUTH. */
  readonly login: LoginDemand;
  /** How the sender's REQUIRETLS is taken; `disable` where it was not asked for. */
  readonly requireTls: RequireTlsLevel;
}

/** What a connection was made for. Only who demands exactly that may use it again: one that was made for less is no way around. */
export interface SessionKey extends Demand {
  readonly peer: Peer;
}

/** The clear, without a login. */
export const NO_DEMAND: Demand = {
  tls: NO_TLS_POLICY,
  policy: "none",
  login: NO_LOGIN,
  requireTls: "disable",
};

/** The demand that a policy makes of a connection to a host on the way to a domain, and a login. */
export function demandOf(
  tls: ClientTlsPolicy,
  { domain, host, requireTls, login }: {
    readonly domain: string;
    readonly host: string;
    readonly requireTls: RequireTlsLevel;
    readonly login: LoginDemand;
  },
): Demand {
  const policy = tls.level === "none" ? "none" : policyText(tls, { domain, host });
  return {
    tls: tls.level === "none" ? NO_TLS_POLICY : tls,
    policy: withRequireTls(policy, requireTls),
    login,
    requireTls,
  };
}

/** A connection under REQUIRETLS is for mail under it alone. */
export function withRequireTls(policy: string, requireTls: RequireTlsLevel): string {
  return requireTls === "disable" ? policy : `${policy} requiretls=${requireTls}`;
}

/** Where connections to an address are kept. */
export function addressKey({ address, port }: Peer, { policy, login }: Demand): string {
  return `address ${address} ${port} ${policy} ${loginText(login)}`;
}

/** Where connections for a next hop are kept, as it is written; `policy` is what its own entry says. */
export function nexthopKey(nexthop: string, policy: string): string {
  return `nexthop ${nexthop.toLowerCase()} ${policy}`;
}

/** Whether two demands are the same. */
export function isSameDemand(one: Demand, other: Demand): boolean {
  return one.policy === other.policy && loginText(one.login) === loginText(other.login);
}
