import { exportedEnvironment } from "../../delivery/local/command.ts";
import type { Service } from "../../config/service.ts";
import { parseTime } from "../../config/syntax/value.ts";
import type { Identity } from "../../platform/process/spawn.ts";
import { groupByName, ownIds, userByName } from "../../platform/process/users.ts";

/** What a master.cf entry of spawn(8) says. */
export interface SpawnEntry {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Undefined: ourselves, as nobody has root's rights. */
  readonly identity: Identity | undefined;
  /** Commands at a time, 0 = no limit. */
  readonly most: number;
  /** `<service>_time_limit` in milliseconds. */
  readonly timeLimit: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
}

/** Who may be named by `user=`. */
export interface SpawnAccounts {
  /** Who the workers are; undefined: nobody has root's rights, and all is done as ourselves. */
  readonly owner: Identity | undefined;
  readonly own: Identity;
  userByName(name: string): Identity | undefined;
  groupByName(name: string): { readonly gid: number } | undefined;
}

/** The system's accounts. */
export function systemAccounts(owner: Identity | undefined): SpawnAccounts {
  return { owner, own: ownIds(), userByName, groupByName };
}

/** Reads an entry of spawn(8); a text says what is wrong with it, in the words of Postfix's where that has any. */
export function readSpawnEntry(
  service: Service,
  accounts: SpawnAccounts,
  inherited: (name: string) => string | undefined,
): SpawnEntry | string {
  if (service.type !== "unix" && service.type !== "inet") {
    return `service type ${service.type}: specify unix or inet`;
  }
  const attributes = readAttributes(service.args);
  if (typeof attributes === "string") return attributes;
  const identity = identityOf(attributes.user, attributes.group, accounts);
  if (typeof identity === "string") return identity;
  const { queue_directory, export_environment, command_time_limit } = service.settings;
  const limit = parseTime(service.parameter(`${service.name}_time_limit`) ?? "", "s") ?? command_time_limit;
  return {
    argv: attributes.argv,
    identity: accounts.owner === undefined ? undefined : identity,
    most: service.processLimit,
    timeLimit: Math.max(limit, 1) * 1000,
    environment: { ...exportedEnvironment(export_environment, inherited), PATH: "/usr/bin:/bin" },
    directory: queue_directory,
  };
}

interface Attributes {
  readonly user: string;
  readonly group: string | undefined;
  readonly argv: readonly string[];
}

/** `user=name[:group] argv=command...`, names in any case of letters. */
function readAttributes(args: readonly string[]): Attributes | string {
  let user: string | undefined;
  let argv: readonly string[] = [];
  for (const [at, word] of args.entries()) {
    const [, name, value] = /^(user|argv)=(.*)$/is.exec(word) ?? [];
    if (name === undefined) return `unknown attribute name: ${word}; known are user= and argv=`;
    if (name.toLowerCase() === "user") user = value;
    else {
      argv = [value!, ...args.slice(at + 1)];
      break;
    }
  }
  if (user === undefined || user === "") return "missing user= attribute";
  if (argv.length === 0 || argv[0] === "") return "missing argv= attribute";
  const colon = user.indexOf(":");
  const group = colon < 0 ? "" : user.slice(colon + 1);
  return { user: colon < 0 ? user : user.slice(0, colon), group: group === "" ? undefined : group, argv };
}

function identityOf(user: string, group: string | undefined, accounts: SpawnAccounts): Identity | string {
  const account = accounts.userByName(user);
  if (account === undefined) return `unknown user name: ${user}`;
  const other = group === undefined ? account : accounts.groupByName(group);
  if (other === undefined) return `unknown group name: ${group}`;
  const identity = { uid: account.uid, gid: other.gid };
  return refusal(identity, accounts) ?? identity;
}

function refusal({ uid, gid }: Identity, { owner, own }: SpawnAccounts): string | undefined {
  if (uid === 0) return "request to deliver as root";
  if (owner === undefined) {
    if (uid === own.uid && gid === own.gid) return undefined;
    return `the mail system does not run as root, so it cannot run a command as user id ${uid} and group id ${gid}`;
  }
  if (uid === owner.uid) return "request to deliver as mail system owner";
  if (gid === 0) return "request to use privileged group id 0";
  if (gid === owner.gid) return `request to use mail system owner group id ${gid}`;
  if (uid >= 0xffff_fffe) return "user must not have user ID -1";
  return gid >= 0xffff_fffe ? "group must not have group ID -1" : undefined;
}
