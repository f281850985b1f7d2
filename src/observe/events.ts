import type { FieldsOf } from "./event.ts";
import { deliveryEvents } from "./events_delivery.ts";
import { masterEvents } from "./events_master.ts";
import { smtpdEvents } from "./events_smtpd.ts";

/** Every kind of event, by name. A new kind is a row in one of the files above. */
export const events = { ...smtpdEvents, ...deliveryEvents, ...masterEvents } as const;

/** The name of an event. */
export type EventName = keyof typeof events;

/** The fields that the event of that name carries. */
export type EventFields<Name extends EventName> = FieldsOf<(typeof events)[Name]>;
