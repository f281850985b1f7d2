import fs from "node:fs";

/** What a folder lies on. */
export interface FileSystem {
  /** `ext4`, `tmpfs`, `overlay`, `nfs4`; by the number of statfs(2) where the table of mounts does not tell. */
  readonly kind: string;
  /** Options of the mount and of the file system. */
  readonly options: readonly string[];
  /** Where it is mounted; "" when that is not known. */
  readonly mountedOn: string;
  /** Bytes free for an unprivileged writer. */
  readonly freeBytes: number;
  /** Files that can still be made; undefined where the file system does not count them. */
  readonly freeFiles: number | undefined;
}

/** Numbers of statfs(2) for what matters to a queue. */
const KINDS: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x794c7630, "overlay"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb3"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
]);

/** A line of the table of mounts. */
export interface Mount {
  readonly mountedOn: string;
  readonly kind: string;
  readonly options: readonly string[];
}

const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

/** The mount that a path lies on, by /proc/self/mountinfo (proc(5)): the one with the longest name, of equals the last. */
export function mountOf(mountinfo: string, path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , , where, options] = before.split(" ");
    const [kind, , more = ""] = after.split(" ");
    if (where === undefined || options === undefined || kind === undefined) continue;
    const mountedOn = unescaped(where);
    const holds = mountedOn === "/" || path === mountedOn || path.startsWith(`${mountedOn}/`);
    if (!holds || mountedOn.length < (found?.mountedOn.length ?? 0)) continue;
    const listed = [...options.split(","), ...more.split(",")].filter((each) => each !== "");
    found = { mountedOn, kind, options: [...new Set(listed)] };
  }
  return found;
}

function mountinfo(): string {
  try {
    return fs.readFileSync("/proc/self/mountinfo", "latin1");
  } catch {
    return ""; // no /proc here: statfs(2) tells the kind
  }
}

/** The file system of a folder that is there; throws the system's error. */
export function fileSystemOf(folder: string): FileSystem {
  const path = fs.realpathSync(folder);
  const { type, bavail, bsize, files, ffree } = fs.statfsSync(path);
  const mount = mountOf(mountinfo(), path);
  return {
    kind: mount?.kind ?? KINDS.get(type >>> 0) ?? `0x${(type >>> 0).toString(16)}`,
    options: mount?.options ?? [],
    mountedOn: mount?.mountedOn ?? "",
    freeBytes: bavail * bsize,
    freeFiles: files > 0 ? ffree : undefined,
  };
}
