import fs from "node:fs";
import { CString, type Pointer, read } from "bun:ffi";
import { clearErrno, errno, libc, systemError } from "../libc.ts";

/** A row of the system's user database (passwd(5)). */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** The full name and what else is in the field. */
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** A row of the group database (group(5)). */
export interface SystemGroup {
  readonly name: string;
  readonly gid: number;
  /** Names of the users that are listed in the row. */
  readonly members?: readonly string[];
}

const open = () =>
  libc({
    getpwnam: { args: ["cstring"], returns: "ptr" },
    getpwuid: { args: ["u32"], returns: "ptr" },
    getgrnam: { args: ["cstring"], returns: "ptr" },
    getgrgid: { args: ["u32"], returns: "ptr" },
  });
let calls: ReturnType<typeof open> | undefined;

const bytesOf = (text: string): Uint8Array => Buffer.from(`${text}\0`);

function textAt(at: Pointer, offset: number): string {
  const pointer = read.ptr(at, offset) as Pointer;
  return pointer === 0 as Pointer ? "" : new CString(pointer).toString();
}

/** ENOENT, ESRCH, EBADF and EPERM also mean "no such row" (getpwnam(3)). */
const NOT_THERE = new Set([0, 1, 2, 3, 9]);

function row(call: string, find: () => Pointer | bigint | null): Pointer | undefined {
  clearErrno();
  const at = find();
  if (at !== null) return at as Pointer;
  const number = errno();
  if (!NOT_THERE.has(number)) throw systemError(call, number);
  return undefined;
}

function userAt(at: Pointer | undefined): SystemUser | undefined {
  if (at === undefined) return undefined;
  return {
    name: textAt(at, 0),
    uid: read.u32(at, 16),
    gid: read.u32(at, 20),
    gecos: textAt(at, 24),
    home: textAt(at, 32),
    shell: textAt(at, 40),
  };
}

function groupAt(at: Pointer | undefined): SystemGroup | undefined {
  return at === undefined
    ? undefined
    : { name: textAt(at, 0), gid: read.u32(at, 16), members: namesAt(at, 24) };
}

/** A list of strings that ends with a null pointer. */
function namesAt(at: Pointer, offset: number): string[] {
  const list = read.ptr(at, offset) as Pointer;
  const names: string[] = [];
  if (list === 0 as Pointer) return names;
  for (let place = 0; read.ptr(list, place) !== 0; place += 8) names.push(textAt(list, place));
  return names;
}

/** The user of that name, or undefined; throws when the database cannot be asked. */
export function userByName(name: string): SystemUser | undefined {
  const c = calls ??= open();
  return userAt(row("getpwnam", () => c.getpwnam(bytesOf(name))));
}

/** The user with that number, for a program that may have too little memory to call the C library (RLIMIT_AS): then by passwd(5) alone. */
export function userByIdAnyway(uid: number): SystemUser | undefined {
  try {
    return userById(uid);
  } catch (error) {
    const row = fs.readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
      .find((fields) => fields.length >= 7 && fields[2] === String(uid));
    if (row === undefined) throw error;
    const [name = "", , , gid, gecos = "", home = "", shell = ""] = row;
    return { name, uid, gid: Number(gid), gecos, home, shell };
  }
}

/** The user with that number. */
export function userById(uid: number): SystemUser | undefined {
  const c = calls ??= open();
  return userAt(row("getpwuid", () => c.getpwuid(uid)));
}

/** The group of that name. */
export function groupByName(name: string): SystemGroup | undefined {
  const c = calls ??= open();
  return groupAt(row("getgrnam", () => c.getgrnam(bytesOf(name))));
}

/** Numeric ids of this process: real uid, real gid, and all its groups. */
export function ownIds(): { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } {
  return { uid: process.getuid!(), gid: process.getgid!(), groups: process.getgroups!() };
}

/** The name this process's user has, or its number where it has none. */
export function ownUserName(): string {
  const { uid } = ownIds();
  return userById(uid)?.name ?? String(uid);
}
