import type { Address } from "../address/address.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Trouble } from "../rewrite/local_domains.ts";

/** Postfix's five address classes (ADDRESS_CLASS_README). */
export type AddressClass = "local" | "virtual alias" | "virtual mailbox" | "relay" | "default";

/** Where a recipient goes. */
export type Route =
  | {
    readonly is: "route";
    readonly class: AddressClass;
    /** master.cf service name. */
    readonly transport: string;
    readonly nexthop: string;
    /** The recipient after source routes and the like are resolved, internal form. */
    readonly recipient: Address;
  }
  | { readonly is: "trouble"; readonly why: string };

/** What the resolver found out about an address (trivial-rewrite(8), "resolve"). */
export type Resolution =
  | {
    readonly is: "resolved";
    readonly class: AddressClass;
    /** "" only when `malformed`. */
    readonly transport: string;
    readonly nexthop: string;
    /** user@domain, internal form; the user may still hold what no rule took away. */
    readonly recipient: Address;
    /** Routing signs are left in the local part: relaying through somebody else's host (`a%b@c`, `a!b@c`, `a@b@c`). */
    readonly routed: boolean;
    /** No address that mail could go to: bad domain syntax, or a leading `-` (allow_min_user). */
    readonly malformed: boolean;
  }
  | { readonly is: "trouble"; readonly why: string };

/** Address class and next hop: transport_maps, relayhost, mydestination and so on (trivial-rewrite(8)). */
export interface Router {
  /** For delivery: a malformed recipient goes to the error transport with 5.1.3. Both addresses in internal form. */
  route(sender: string, recipient: string): MaybeAsync<Route>;
  /** For policy: incomplete addresses are first rewritten in the local context, as smtpd's lookups do. */
  resolve(sender: string, recipient: string): MaybeAsync<Resolution>;
  /** Whether a domain (or `[address]`) is delivered here: mydestination, inet_interfaces, proxy_interfaces. */
  isLocal(domain: string): MaybeAsync<boolean | Trouble>;
}
