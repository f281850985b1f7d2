import fs from "node:fs";
import type { HeldFolder } from "../file/folder/held_folder.ts";
import { holdFolder } from "../file/folder/held_folder.ts";
import { giveFolder } from "../file/folder/own_folder.ts";
import { mastersWay } from "../file/folder/walk_rules.ts";
import { asOwner } from "../process/effective_ids.ts";
import type { Identity } from "../process/spawn.ts";
import { openUnixListener } from "./unix_listener.ts";

/** A listening unix socket in a folder of a user's, to be inherited. */
export interface QueueSocket {
  readonly fd: number;
  /** Removes its name. */
  remove(): void;
}

/** Where it shall be; the folder is made with that mode when it is missing. */
export interface QueueSocketPlace {
  readonly folder: string;
  readonly name: string;
  readonly folderMode: number;
}

/** Everybody whom the folder lets through may connect (master(8)). */
const MODE = 0o666;
const BACKLOG = 128;

/**
 * Binds a socket in `private` or `public` of the queue directory, as master(8) does. What is in the folder is its owner's to change, so all
 * is done with that user's rights alone. Throws the system's error, or says whose the folder is.
 */
export function openQueueSocket(place: QueueSocketPlace, { uid, gid }: Identity): QueueSocket {
  const { folder: path, name, folderMode } = place;
  const other = giveFolder(path, { uid, gid }, folderMode) ?? uid;
  if (other !== uid) {
    throw new Error(`${path} belongs to user id ${other}, not to mail_owner (${uid}): chown ${uid} ${path}`);
  }
  const within = <T>(work: (folder: HeldFolder) => T): T => {
    const held = holdFolder(path, { mayUse: mastersWay(uid) });
    try {
      return asOwner(uid, gid, () => work(held));
    } finally {
      held.close();
    }
  };
  const remove = (folder: HeldFolder) => fs.rmSync(folder.entry(name), { force: true });
  const fd = within((folder) => {
    remove(folder);
    return openUnixListener(folder.entry(name), MODE, BACKLOG);
  });
  return { fd, remove: () => within(remove) };
}
