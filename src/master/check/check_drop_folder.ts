import { dirname } from "node:path";
import type { Configuration } from "../../config/service.ts";
import { DROP_FOLDER_MODE, dropFolder } from "../../pickup/drop/drop_folder.ts";
import { folderState } from "../../platform/file/folder/own_folder.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import { workerPrivileges } from "../privileges.ts";
import type { Finding } from "./finding.ts";

const EVERYBODY_ENTERS = 0o001;

const octal = (mode: number) => mode.toString(8).padStart(4, "0");

/** Whether users can submit mail with sendmail: the folder of drops, where there is one, and the way to it. */
export function checkDropFolder({ settings, isSet }: Configuration): Finding[] {
  const path = dropFolder(settings.queue_directory);
  const found = folderState(path);
  if (found === undefined) return []; // the start makes it
  const own = ownIds();
  const privileges = workerPrivileges(settings, isSet("mail_owner"), { ...own, userByName });
  if (privileges.is === "bad") return [];
  const { uid, gid } = privileges.identity ?? own;
  if (!found.isFolder) return [finding(`${path} is no folder: move it away`)];
  if (found.uid !== uid || found.gid !== gid || found.mode !== DROP_FOLDER_MODE) {
    const is = `belongs to ${found.uid}:${found.gid}, mode ${octal(found.mode)}`;
    const right = `chown ${uid}:${gid} ${path}; chmod ${octal(DROP_FOLDER_MODE)} ${path}`;
    return [finding(`${path} ${is}; a start of the service puts it right, or: ${right}`)];
  }
  const shut = own.uid === 0 ? shutFolder(dirname(path)) : undefined;
  return shut === undefined ? [] : [finding(`${shut} may not be entered by everybody: chmod o+x ${shut}`)];
}

function finding(what: string): Finding {
  const consequence = "users of this machine cannot submit mail with sendmail";
  return {
    severity: "warning",
    text: `queue_directory: ${consequence}: ${what}`,
    consequence,
    parameter: "queue_directory",
  };
}

/** The innermost folder on the way that keeps users out. */
function shutFolder(path: string): string | undefined {
  const found = folderState(path);
  if (found?.isFolder && (found.mode & EVERYBODY_ENTERS) === 0) return path;
  return path === dirname(path) ? undefined : shutFolder(dirname(path));
}
