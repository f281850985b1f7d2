import { event } from "./event.ts";

/** Events of master: start, stop, reload, workers. */
export const masterEvents = {
  daemonStarted: event<{ version: string; configuration: string }>(
    "info",
    (e) => `daemon started -- version ${e.version}, configuration ${e.configuration}`,
  ),
} as const;
