import type { Settings } from "../../config/parameters/settings_type.ts";
import { parseTime } from "../../config/syntax/value.ts";
import { overlay } from "../../config/overlay.ts";

/** Which worker this is, of how many that share the load evenly (SO_REUSEPORT). */
export interface Share {
  readonly index: number;
  readonly workers: number;
}

/**
 * A worker's part of a limit that holds for the whole service; the parts add up to the limit. Nobody gets less than one, so a
 * limit below the number of workers becomes that number. 0 is no limit.
 */
export function partOf(limit: number, { index, workers }: Share): number {
  if (limit === 0) return 0;
  return Math.max(1, Math.floor(limit / workers) + (index < limit % workers ? 1 : 0));
}

const CONCURRENCY = /_(?:destination_concurrency_limit|initial_destination_concurrency)$/;
const PAUSE = /_(?:destination|transport)_rate_delay$/;

/** main.cf by name, with each worker's part of what qmgr(8) reads for a transport: less at a time, longer pauses. */
export function sharedParameter(
  parameter: (name: string) => string | undefined,
  share: Share,
): (name: string) => string | undefined {
  if (share.workers === 1) return parameter;
  return (name) => {
    const text = parameter(name);
    if (text === undefined) return undefined;
    if (CONCURRENCY.test(name) && /^\d+$/.test(text)) return String(partOf(Number(text), share));
    const seconds = PAUSE.test(name) ? parseTime(text, "s") : undefined;
    return seconds === undefined ? text : `${seconds * share.workers}s`;
  };
}

/** The same for the defaults of all transports, and for the size of the active queue. */
export function sharedSettings(settings: Settings, share: Share): Settings {
  if (share.workers === 1) return settings;
  const part = (limit: number) => partOf(limit, share);
  return overlay(settings, {
    default_destination_concurrency_limit: part(settings.default_destination_concurrency_limit),
    initial_destination_concurrency: part(settings.initial_destination_concurrency),
    default_destination_rate_delay: settings.default_destination_rate_delay * share.workers,
    default_transport_rate_delay: settings.default_transport_rate_delay * share.workers,
    qmgr_message_active_limit: part(settings.qmgr_message_active_limit),
    qmgr_message_recipient_limit: part(settings.qmgr_message_recipient_limit),
  });
}
