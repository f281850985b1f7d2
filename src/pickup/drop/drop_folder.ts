import { join } from "node:path";

/**
 * Where drops are: mail_owner's, with his group, of mode 3733. Everybody may make files there and nobody may list them, each is removed
 * by its owner or mail_owner alone (sticky), and has mail_owner's group from the folder (set-gid), by which workers read it.
 */
export function dropFolder(queueDirectory: string): string {
  return join(queueDirectory, "drop");
}

export const DROP_FOLDER_MODE = 0o3733;

/** Of a drop: whole once its owner may execute it, as in Postfix. The group, mail_owner's, reads. */
export const WHOLE_MODE = 0o740;
export const UNFINISHED_MODE = 0o600;

/** A time, so that names sort by age, and what nobody can guess. */
const NAME = /^[0-9a-f]{12}-[0-9a-f]{32}$/;

export function isDropName(name: string): boolean {
  return NAME.test(name);
}

/** A name for a new drop; `random` are 16 bytes. */
export function newDropName(now: number, random: Uint8Array): string {
  const time = Math.floor(now).toString(16).padStart(12, "0").slice(-12);
  return `${time}-${Buffer.from(random).toString("hex")}`;
}
