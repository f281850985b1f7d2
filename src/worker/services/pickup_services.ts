import { rememberedNames } from "../../base/remembered_names.ts";
import { systemClock } from "../../base/clock.ts";
import type { Bouncer } from "../../bounce/bouncer.ts";
import { createPickup, type Pickup } from "../../pickup/pickup.ts";
import { openLoginSenders, type SenderRefusal } from "../../pickup/login_senders.ts";
import { submitRefusal } from "../../pickup/submit_users.ts";
import { userById } from "../../platform/process/users.ts";
import type { AssemblyContext } from "../assembly.ts";
import { cleanupFor } from "./cleanup_services.ts";
import type { MailWorld } from "./mail_world.ts";

/** What pickup shares with the other services of a worker. */
export interface PickupParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
  readonly bouncer: Bouncer;
}

/** In place of a pickup that master.cf does not have, or that is closed: what users drop waits. */
const NO_PICKUP: Pickup = { start: () => {}, look: () => {}, stop: () => Promise.resolve() };

/** Builds the pickup of master.cf, with its own settings. */
export function openPickup({ context, world, bouncer }: PickupParts): Pickup {
  const { configuration: { services, settings: main }, store, logFor, index, workers } = context;
  const service = services.find(({ program }) => program === "pickup");
  if (service === undefined || service.closed !== undefined) return NO_PICKUP;
  const { settings } = service;
  return createPickup({
    settings,
    cleanup: cleanupFor(settings, { context, world }),
    bouncer,
    rewriter: world.rewriter,
    store,
    loginName: rememberedNames((uid) => userById(uid)?.name, () => systemClock.now()),
    submitRefusal: async (login): Promise<SenderRefusal> => {
      const refusal = await submitRefusal(settings.authorized_submit_users, login, world.tables);
      if (refusal === undefined) return undefined;
      return refusal === "not listed"
        ? { is: "forbidden", why: `user ${login} is not allowed to submit mail` }
        : { is: "trouble", why: refusal.trouble };
    },
    senderRefusal: openLoginSenders(settings, world.openTables),
    log: logFor(settings),
    cleanupLog: logFor(main),
    clock: systemClock,
    wakeup: service.wakeup,
    index,
    workers,
  });
}
