import { isPromise } from "../../base/maybe_async.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { boundAddress } from "../../delivery/smtp/connector.ts";
import type { DeliveryContext } from "../../delivery/smtp/delivery_context.ts";
import { sourceAddress } from "../../platform/socket/source_address.ts";
import type { MailWorld } from "../../worker/services/mail_world.ts";
import { clientContext } from "../client_context.ts";
import type { SourceAddress } from "./source_addresses.ts";

/** How mail of a sender leaves. */
export type WayOut =
  | {
    readonly is: "smtp";
    readonly service: Service;
    readonly context: DeliveryContext;
    /** Where it goes first. */
    readonly nexthop: string;
    /** That is not the receiver's own domain. */
    readonly relayed: boolean;
  }
  | { readonly is: "other"; readonly why: string };

/** Somebody at a domain that is nobody's and no table's (RFC 2606). */
const ANYBODY = "someone@example.org";

/** Asks the tables of routing which way mail takes to a receiver, or to anybody. */
export async function findWayOut(
  sender: string,
  to: string | undefined,
  { services }: Configuration,
  world: MailWorld,
): Promise<WayOut> {
  const recipient = to ?? ANYBODY;
  const asked = world.router.route(sender, recipient);
  const route = isPromise(asked) ? await asked : asked;
  if (route.is === "trouble") return { is: "other", why: `where mail goes cannot be told: ${route.why}` };
  const { transport, nexthop } = route;
  const service = services.find(({ name, type }) => name === transport && type === "unix");
  if (service?.program !== "smtp") {
    return {
      is: "other",
      why: `mail to ${recipient} goes to the transport ${transport}:${nexthop}, not out by smtp(8)`,
    };
  }
  const domain = recipient.slice(recipient.lastIndexOf("@") + 1).toLowerCase();
  return {
    is: "smtp",
    service,
    context: clientContext(service, world),
    nexthop,
    relayed: nexthop.toLowerCase() !== domain,
  };
}

/** The addresses that connections are made from: as configured, else as the routes have it. */
export async function localSources(context: DeliveryContext): Promise<readonly SourceAddress[]> {
  const found = await Promise.all(context.settings.families.map(async (family): Promise<SourceAddress[]> => {
    const bound = boundAddress(family, context);
    const { bindAddress, bindAddress6 } = context.settings;
    if (bound !== undefined) {
      const isSet = (family === 4 ? bindAddress : bindAddress6) !== "";
      const parameter = family === 4 ? "smtp_bind_address" : "smtp_bind_address6";
      return [{ address: bound, how: isSet ? parameter : "inet_interfaces" }];
    }
    const routed = await sourceAddress(family);
    return routed === undefined ? [] : [{ address: routed, how: "by the routes of this machine" }];
  }));
  return found.flat();
}
