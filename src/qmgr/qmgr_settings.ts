import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { LimitSettings } from "./transport_limits.ts";

/** The main.cf parameters of the queue manager itself (qmgr(8)). */
export const QMGR_PARAMETERS = [
  "qmgr_message_active_limit",
  "qmgr_message_recipient_limit",
  "minimal_backoff_time",
  "maximal_backoff_time",
  "queue_run_delay",
  "maximal_queue_lifetime",
  "bounce_queue_lifetime",
  "delay_warning_time",
  "confirm_delay_cleared",
  "defer_transports",
  "transport_retry_time",
  "recipient_delimiter",
  "double_bounce_sender",
  "address_verify_negative_cache",
  "soft_bounce",
  "default_filter_nexthop",
  "delay_logging_resolution_limit",
] as const satisfies readonly ParameterName[];

/** The main.cf parameters that the queue manager obeys (qmgr(8)). */
export type QmgrSettings =
  & LimitSettings
  & SettingsOf<typeof QMGR_PARAMETERS>;
