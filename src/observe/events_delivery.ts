import { event } from "./event.ts";

/** Events of qmgr, the delivery agents and bounce. */
export const deliveryEvents = {
  removed: event<{ id: string }>("info", (e) => `${e.id}: removed`),
} as const;
