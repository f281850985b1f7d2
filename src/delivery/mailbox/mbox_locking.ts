import { splitList } from "../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { MboxTask } from "./writer.ts";

const KINDS = ["fcntl", "flock", "dotlock"] as const;

/** The parameters of waiting for locks. */
export const LOCKING_PARAMETERS = [
  "deliver_lock_attempts",
  "deliver_lock_delay",
  "stale_lock_time",
] as const satisfies readonly ParameterName[];

/** How a mailbox file is locked, with the locks that a parameter lists (mailbox_delivery_lock, virtual_mailbox_lock). */
export function mboxLocking(
  settings: SettingsOf<typeof LOCKING_PARAMETERS>,
  locks: string,
): Pick<MboxTask, "locks" | "lockAttempts" | "lockDelay" | "staleLock"> {
  const listed = splitList(locks);
  return {
    locks: KINDS.filter((lock) => listed.includes(lock)),
    lockAttempts: settings.deliver_lock_attempts,
    lockDelay: settings.deliver_lock_delay * 1000,
    staleLock: settings.stale_lock_time * 1000,
  };
}
