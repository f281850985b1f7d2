import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Entry } from "./entry.ts";

/** How long results hold, in seconds (ADDRESS_VERIFICATION_README, "Managing the address verification database"). */
export interface Lifetimes {
  readonly positive: { readonly expire: number; readonly refresh: number };
  readonly negative: { readonly expire: number; readonly refresh: number };
}

/** The parameters that say so. */
export const LIFETIME_PARAMETERS = [
  "address_verify_positive_expire_time",
  "address_verify_positive_refresh_time",
  "address_verify_negative_expire_time",
  "address_verify_negative_refresh_time",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LifetimeSettings = SettingsOf<typeof LIFETIME_PARAMETERS>;

/** Seconds after which a probe without a result counts as lost (verify(8)). */
export const PROBE_TTL = 1000;

/** Reads the lifetimes. */
export function readLifetimes(settings: LifetimeSettings): Lifetimes {
  return {
    positive: {
      expire: settings.address_verify_positive_expire_time,
      refresh: settings.address_verify_positive_refresh_time,
    },
    negative: {
      expire: settings.address_verify_negative_expire_time,
      refresh: settings.address_verify_negative_refresh_time,
    },
  };
}

function of(entry: Entry, lifetimes: Lifetimes) {
  return entry.status === "deliverable" ? lifetimes.positive : lifetimes.negative;
}

/** The result is too old to be used. */
export function isExpired(entry: Entry, lifetimes: Lifetimes, now: number): boolean {
  return entry.updated + of(entry, lifetimes).expire < now;
}

/** The result is old enough to ask again. */
export function isRefreshDue(entry: Entry, lifetimes: Lifetimes, now: number): boolean {
  return entry.updated + of(entry, lifetimes).refresh < now;
}

/** When nobody can need the entry any more. */
export function endOf(entry: Entry, lifetimes: Lifetimes): number {
  const result = entry.updated === 0 ? 0 : entry.updated + of(entry, lifetimes).expire;
  return Math.max(result, entry.probed + PROBE_TTL);
}
