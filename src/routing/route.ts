import type { MaybeAsync } from "../base/maybe_async.ts";

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
    readonly recipient: string;
  }
  | { readonly is: "trouble"; readonly why: string };

/** Address class and next hop: transport_maps, relayhost, mydestination and so on (trivial-rewrite(8)). */
export interface Router {
  route(sender: string, recipient: string): MaybeAsync<Route>;
}
