import { event } from "./event.ts";

/** Events of smtpd and cleanup (`connect` to `disconnect`, queue entry). `client` is `name[address]`. */
export const smtpdEvents = {
  connect: event<{ client: string }>("info", (e) => `connect from ${e.client}`),
} as const;
