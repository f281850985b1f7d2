import { type Address, splitAddress } from "../address/address.ts";
import { type Envelope, onlyAsks } from "../queue/envelope.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { Route } from "../routing/route.ts";
import type { QmgrSettings } from "./qmgr_settings.ts";

/** Where a recipient is queued, or what else becomes of it. */
export type Assignment =
  | {
    readonly is: "queue";
    readonly transport: string;
    readonly nexthop: string;
    readonly recipient: Address;
  }
  | { readonly is: "defer"; readonly detail: RecipientDetail }
  | { readonly is: "discard"; readonly detail: RecipientDetail };

/** The settings that decide over the assignment. */
export type AssignSettings = Pick<
  QmgrSettings,
  "defer_transports" | "double_bounce_sender" | "default_filter_nexthop" | "recipient_delimiter"
>;

/** A reason of our own to defer. */
export function delayed(status: string, text: string): RecipientDetail {
  return { status, text, action: "delayed" };
}

/** Where a content filter sends mail: `transport:nexthop`; without next hop default_filter_nexthop or the recipient's domain. */
function filterRoute(
  filter: string,
  recipient: Address,
  defaultNexthop: string,
): Extract<Route, { is: "route" }> {
  const colon = filter.indexOf(":");
  const transport = colon < 0 ? filter : filter.slice(0, colon);
  const nexthop = (colon < 0 ? "" : filter.slice(colon + 1)) || defaultNexthop ||
    splitAddress(recipient).domain;
  return { is: "route", class: "default", transport, nexthop, recipient };
}

/** What a route means for one recipient (qmgr(8): defer_transports; bounces of bounces go nowhere). */
export function assign(
  route: Route,
  envelope: Envelope,
  settings: AssignSettings,
  deferTransports: ReadonlySet<string>,
): Assignment {
  if (route.is === "trouble") return { is: "defer", detail: delayed("4.3.0", "address resolver failure") };
  const toDoubleBounce = route.class === "local" &&
    splitAddress(route.recipient).local.toLowerCase() === settings.double_bounce_sender.toLowerCase();
  if (toDoubleBounce) {
    const text = "undeliverable postmaster notification discarded";
    return { is: "discard", detail: { status: "2.0.0", text, action: "delivered" } };
  }
  const filtered = envelope.contentFilter === undefined || onlyAsks(envelope)
    ? route
    : filterRoute(envelope.contentFilter, route.recipient, settings.default_filter_nexthop);
  if (deferTransports.has(filtered.transport)) {
    return { is: "defer", detail: delayed("4.3.2", "deferred transport") };
  }
  return {
    is: "queue",
    transport: filtered.transport,
    nexthop: filtered.nexthop,
    recipient: route.recipient,
  };
}

/** The name of a destination: the next hop, or with one recipient per delivery the recipient without extension at it. */
export function destinationKey(
  nexthop: string,
  recipient: string,
  perRecipient: boolean,
  delimiters: string,
): string {
  if (!perRecipient) return nexthop.toLowerCase();
  const { local } = splitAddress(recipient);
  let end = local.length;
  for (const delimiter of delimiters) {
    const at = local.indexOf(delimiter);
    if (at > 0 && at < end) end = at;
  }
  return `${local.slice(0, end)}@${nexthop}`.toLowerCase();
}
