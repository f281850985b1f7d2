import { internalAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { Srs } from "../rewrite/srs.ts";
import type { Resolution, Route, Router } from "./route.ts";

/** The class of addresses that stand for others. */
const CLASS = "virtual alias";
/** There is no such mailbox (RFC 3463 §3.2). */
const STATUS = "5.1.1";

/**
 * The same router, for which addresses that come back to srs_domain are aliases of the senders that they stand for: whoever has one that
 * was signed here may send there, and nobody may with any other.
 */
export function withSrs(router: Router, srs: Srs | undefined): Router {
  if (srs === undefined) return router;
  return {
    isLocal: (domain) => router.isLocal(domain),
    route(sender, recipient): MaybeAsync<Route> {
      const back = srs.reverse(recipient);
      switch (back.is) {
        case "plain":
          return router.route(sender, recipient);
        case "address":
          return router.route(sender, back.address);
        case "trouble":
          return back;
        case "refused":
          return { is: "route", class: CLASS, ...nowhere(back.why), recipient: internalAddress(recipient) };
      }
    },
    resolve(sender, recipient): MaybeAsync<Resolution> {
      const back = srs.reverse(recipient);
      const alias = {
        is: "resolved",
        class: CLASS,
        recipient: internalAddress(recipient),
        routed: false,
      } as const;
      switch (back.is) {
        case "plain":
          return router.resolve(sender, recipient);
        case "address":
          return then(
            router.resolve(sender, back.address),
            (found) => found.is === "trouble" || found.malformed ? found : { ...found, ...alias },
          );
        case "trouble":
          return back;
        case "refused":
          return { ...alias, ...nowhere(back.why), malformed: false };
      }
    },
  };
}

function nowhere(why: string) {
  return { transport: "error", nexthop: `${STATUS} ${why}` };
}
