import { asOwner } from "../../platform/process/effective_ids.ts";
import { FolderEntries } from "../../platform/file/folder/folder_entries.ts";
import { handedState, removeHanded } from "../../platform/file/handed_file.ts";
import { errorCode } from "../../platform/system_error.ts";
import { dropFolder, isDropName } from "../../pickup/drop/drop_folder.ts";

/**
 * Removes what users have handed over and nobody has picked up yet (postsuper -d ALL); answers how many messages that were. With the
 * folder's owner's rights: it is not followed to where he may not remove anything. What is not finished is its writer's.
 */
export function removeDrops(
  queueDirectory: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
  dryRun: boolean,
): number {
  const work = () => removeWhole(dropFolder(queueDirectory), dryRun);
  return owner === undefined ? work() : asOwner(owner.uid, owner.gid, work);
}

function removeWhole(folder: string, dryRun: boolean): number {
  let entries: FolderEntries;
  try {
    entries = new FolderEntries(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
  let count = 0;
  try {
    for (let some = entries.next(); some !== undefined; some = entries.next()) {
      for (const { name } of some) {
        if (isDropName(name) && removeOne(`${folder}/${name}`, dryRun)) count++;
      }
    }
  } finally {
    entries.close();
  }
  return count;
}

/** False where there is none, or pickup was faster. */
function removeOne(path: string, dryRun: boolean): boolean {
  const state = handedState(path);
  if (state === undefined || !state.isPlain || !state.isWhole) return false;
  if (!dryRun) removeHanded(path);
  return dryRun || handedState(path) === undefined;
}
