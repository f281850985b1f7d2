import { mailOwnerStandIn } from "../config/mail_owner.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Identity } from "../platform/process/spawn.ts";
import type { SystemUser } from "../platform/process/users.ts";

/** Who the workers run as. */
export type Privileges =
  | {
    readonly is: "known";
    /** Undefined: master's own user, as it is not root. */
    readonly identity?: Identity;
  }
  | { readonly is: "bad"; readonly why: string };

/** What is asked of the system. */
export interface Accounts {
  readonly uid: number;
  readonly gid: number;
  userByName(name: string): SystemUser | undefined;
}

/** Whose rights the workers have. */
export const OWNER_PARAMETERS = [
  "mail_owner",
] as const satisfies readonly ParameterName[];

/**
 * mail_owner (postconf(5)) as numbers: a user's name, or `uid:gid` where an image has no accounts. Root is refused: no worker
 * is ever root. A mail_owner nobody set and nobody made is stood in for (the check of users warns of it).
 */
export function workerPrivileges(
  settings: SettingsOf<typeof OWNER_PARAMETERS>,
  ownerIsSet: boolean,
  accounts: Accounts,
): Privileges {
  if (accounts.uid !== 0) return { is: "known" };
  const name = settings.mail_owner;
  const numbers = /^(\d+)(?::(\d+))?$/.exec(name);
  if (numbers !== null) return unprivileged(Number(numbers[1]), Number(numbers[2] ?? numbers[1]), name);
  const user = accounts.userByName(name);
  if (user !== undefined) return unprivileged(user.uid, user.gid, name);
  if (ownerIsSet) {
    return {
      is: "bad",
      why: `parameter mail_owner: unknown user: ${name}; make it (useradd -r ${name}) or name another`,
    };
  }
  const standIn = mailOwnerStandIn((each) => accounts.userByName(each));
  if (standIn === undefined) return { is: "bad", why: `parameter mail_owner: unknown user: ${name}` };
  return { is: "known", identity: { uid: standIn.uid, gid: standIn.gid } };
}

function unprivileged(uid: number, gid: number, name: string): Privileges {
  if (uid === 0 || gid === 0) {
    return {
      is: "bad",
      why: `parameter mail_owner: user ${name} has user or group id 0; mail is never handled as root`,
    };
  }
  return { is: "known", identity: { uid, gid } };
}
