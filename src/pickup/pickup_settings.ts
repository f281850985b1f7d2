import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { LOGIN_SENDER_PARAMETERS } from "./login_senders.ts";

/** The main.cf parameters that pickup(8) obeys beside those of cleanup. */
export const PICKUP_PARAMETERS = [
  "authorized_submit_users",
  "cleanup_replace_stray_cr_lf",
  "content_filter",
  "delay_logging_resolution_limit",
  "mail_name",
  "message_size_limit",
  "myhostname",
  "queue_directory",
  "soft_bounce",
  ...LOGIN_SENDER_PARAMETERS,
] as const satisfies readonly ParameterName[];

/** Their values. */
export type PickupSettings = SettingsOf<typeof PICKUP_PARAMETERS>;
