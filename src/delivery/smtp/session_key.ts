import type { Peer } from "./peer.ts";

/** What the operator demands of a connection. */
export interface Demand {
  /** The TLS level that holds for the next hop, in the words of smtp_tls_security_level. */
  readonly policy: string;
  /** Whose login it carries; undefined for none. */
  readonly login: string | undefined;
}

/** What a connection was made for. Only who demands exactly that may use it again: one that was made for less is no way around. */
export interface SessionKey extends Demand {
  readonly peer: Peer;
}

/** Sockets of this machine are neither encrypted nor logged in to. */
export const NO_DEMAND: Demand = { policy: "none", login: undefined };

const demandText = ({ policy, login }: Demand) => `${policy} ${login ?? ""}`;

/** Where connections to an address are kept. */
export function addressKey({ address, port }: Peer, demand: Demand): string {
  return `address ${address} ${port} ${demandText(demand)}`;
}

/** Where connections for a next hop are kept, as it is written. */
export function nexthopKey(nexthop: string, demand: Demand): string {
  return `nexthop ${nexthop.toLowerCase()} ${demandText(demand)}`;
}

/** Whether two demands are the same. */
export function isSameDemand(one: Demand, other: Demand): boolean {
  return one.policy === other.policy && one.login === other.login;
}
