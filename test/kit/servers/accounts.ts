// Accounts of the system, from /etc/passwd.
import { readFileSync } from "node:fs";

/** A user and its group by number. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account of that name; throws when there is none. */
export function userNamed(name: string): Account {
  const row = new RegExp(`^${name}:.*$`, "m").exec(readFileSync("/etc/passwd", "utf8"))?.[0];
  if (row === undefined) throw new Error(`no account ${name}`);
  const [, , uid, gid] = row.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}
