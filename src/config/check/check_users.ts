import type { Diagnostic } from "../syntax/diagnostic.ts";
import { mailOwnerStandIn } from "../mail_owner.ts";
import type { Scope } from "../scope.ts";

/** A row of the user database, as far as it matters here. */
export interface UserRow {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The system's users; tests bring their own. */
export interface SystemUsers {
  userByName(name: string): UserRow | undefined;
  userById(uid: number): UserRow | undefined;
  /** Without root nobody changes identity, and missing users are no reason not to start. */
  readonly isRoot: boolean;
}

type Role = "default_privs" | "mail_owner";

/** Checks that mail_owner and default_privs are two users without rights of their own (postconf(5)). */
export function checkUsers(scope: Scope, path: string, users: SystemUsers): Diagnostic[] {
  const roles: readonly Role[] = ["default_privs", "mail_owner"];
  const names = roles.map((role) => nameOf(scope, role));
  const found = roles.flatMap((role, at) =>
    names[at] === undefined ? [] : checkUser(scope, path, users, role, names[at])
  );
  const [privs, owner] = names.map((name) => name === undefined ? undefined : users.userByName(name));
  if (found.length === 0 && privs !== undefined && owner !== undefined) {
    found.push(...checkOverlap(scope, path, privs, owner));
  }
  return users.isRoot ? found : found.filter((each) => scope.setting(each.parameter ?? "") !== undefined)
    .map((each) => ({ ...each, level: "warning", hint: "it matters only when started as root" }));
}

function nameOf(scope: Scope, role: Role): string | undefined {
  try {
    return scope.expanded(role);
  } catch {
    return undefined;
  }
}

const EXPECTED: Readonly<Record<Role, string>> = {
  mail_owner:
    "an unprivileged user of its own (useradd --system --no-create-home --shell /usr/sbin/nologin NAME)",
  default_privs: "an unprivileged user such as nobody",
};

function checkUser(scope: Scope, path: string, users: SystemUsers, role: Role, name: string): Diagnostic[] {
  const bad = (text: string) => [
    scope.complaint(role, name, `file ${path}: parameter ${role}: ${text}`, EXPECTED[role]),
  ];
  const user = users.userByName(name);
  if (user === undefined) return standIn(scope, users, role, name) ?? bad(`unknown user name value: ${name}`);
  if (user.uid === 0) return bad(`user ${name} has privileged user ID`);
  if (user.gid === 0) return bad(`user ${name} has privileged group ID`);
  const same = role === "mail_owner" ? users.userById(user.uid) : undefined;
  return same === undefined || same.name === name ? [] : bad(`user ${name} has same user ID as ${same.name}`);
}

/** Nobody set mail_owner and nobody made its default: another account serves, and that is worth a warning. */
function standIn(scope: Scope, users: SystemUsers, role: Role, name: string): Diagnostic[] | undefined {
  if (role !== "mail_owner" || scope.setting(role) !== undefined) return undefined;
  const instead = mailOwnerStandIn((each) => users.userByName(each));
  if (instead === undefined) return undefined;
  const text =
    `parameter ${role}: unknown user: ${name}; running as ${instead.name} (make the user, or set ${role})`;
  return [{ level: "warning", text, parameter: role }];
}

function checkOverlap(scope: Scope, path: string, privs: UserRow, owner: UserRow): Diagnostic[] {
  const start = `file ${path}: parameters default_privs and mail_owner`;
  const bad = (text: string) => [scope.complaint("default_privs", privs.name, text, EXPECTED.default_privs)];
  if (privs.name === owner.name) return bad(`${start} specify the same user ${privs.name}`);
  const pair = `users ${privs.name} and ${owner.name} have the same`;
  if (privs.uid === owner.uid) return bad(`${start}: ${pair} user ID: ${owner.uid}`);
  if (privs.gid === owner.gid) return bad(`${start}: ${pair} group ID: ${owner.gid}`);
  return [];
}
