import { parseTime } from "../config/syntax/value.ts";
import type { ParameterName, SettingsOf, TransportParameter } from "../config/parameters/settings_type.ts";
import { type Feedback, parseFeedback, type WindowLimits } from "./feedback.ts";

/** What a transport may do, from main.cf's `<transport>_...` and `default_...` parameters (qmgr(8)). */
export interface TransportLimits extends WindowLimits {
  /** Recipients of one delivery; 0 = no limit; 1 makes each recipient a destination of its own. */
  readonly recipients: number;
  /** Milliseconds between deliveries to one destination, and of the whole transport. */
  readonly destinationRateDelay: number;
  readonly transportRateDelay: number;
}

/** The parameters of each transport, by what follows its name. */
export const TRANSPORT_PARAMETERS = [
  "<transport>_destination_concurrency_limit",
  "<transport>_initial_destination_concurrency",
  "<transport>_destination_concurrency_positive_feedback",
  "<transport>_destination_concurrency_negative_feedback",
  "<transport>_destination_concurrency_failed_cohort_limit",
  "<transport>_destination_recipient_limit",
  "<transport>_destination_rate_delay",
  "<transport>_transport_rate_delay",
] as const satisfies readonly TransportParameter[];

/** What follows the name. */
type Suffix = (typeof TRANSPORT_PARAMETERS)[number] extends `<transport>_${infer Rest}` ? Rest : never;

/** The defaults for transports that set nothing of their own. */
export const LIMIT_PARAMETERS = [
  "default_destination_concurrency_limit",
  "initial_destination_concurrency",
  "default_destination_concurrency_positive_feedback",
  "default_destination_concurrency_negative_feedback",
  "default_destination_concurrency_failed_cohort_limit",
  "default_destination_recipient_limit",
  "default_destination_rate_delay",
  "default_transport_rate_delay",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LimitSettings = SettingsOf<typeof LIMIT_PARAMETERS>;

function number(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d+$/.test(text)) throw new Error(`bad numerical configuration: ${name} = ${text}`);
  return Number(text);
}

function milliseconds(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback * 1000;
  const seconds = parseTime(text, "s");
  if (seconds === undefined) throw new Error(`parameter ${name}: bad time value or unit: ${text}`);
  return seconds * 1000;
}

function feedback(name: string, text: string): Feedback {
  const parsed = parseFeedback(text);
  if (parsed === undefined) {
    throw new Error(
      `parameter ${name}: bad feedback value: ${text}; write a number between 0 and 1, 1/concurrency or 1/sqrt_concurrency`,
    );
  }
  return parsed;
}

/** The limits of one transport; throws an error that names the parameter when a value cannot be read. */
export function transportLimits(
  transport: string,
  settings: LimitSettings,
  parameter: (name: string) => string | undefined,
): TransportLimits {
  const name = (rest: Suffix) => `${transport}_${rest}`;
  const count = (rest: Suffix, fallback: number) => number(name(rest), parameter(name(rest)), fallback);
  const delay = (rest: Suffix, fallback: number) => milliseconds(name(rest), parameter(name(rest)), fallback);
  const factor = (rest: Suffix, fallback: string) => feedback(name(rest), parameter(name(rest)) ?? fallback);
  const destinationRateDelay = delay("destination_rate_delay", settings.default_destination_rate_delay);
  // A pause between deliveries means one at a time (postconf(5), default_destination_rate_delay).
  const slow = destinationRateDelay > 0;
  return {
    concurrency: slow
      ? 1
      : count("destination_concurrency_limit", settings.default_destination_concurrency_limit),
    initial: slow ? 1 : count("initial_destination_concurrency", settings.initial_destination_concurrency),
    positive: factor(
      "destination_concurrency_positive_feedback",
      settings.default_destination_concurrency_positive_feedback,
    ),
    negative: factor(
      "destination_concurrency_negative_feedback",
      settings.default_destination_concurrency_negative_feedback,
    ),
    failedCohorts: count(
      "destination_concurrency_failed_cohort_limit",
      settings.default_destination_concurrency_failed_cohort_limit,
    ),
    recipients: count("destination_recipient_limit", settings.default_destination_recipient_limit),
    destinationRateDelay,
    transportRateDelay: delay("transport_rate_delay", settings.default_transport_rate_delay),
  };
}
