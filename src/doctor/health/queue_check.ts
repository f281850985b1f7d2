import type { FileSystem } from "../../platform/file/folder/file_system.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** Why something cannot be looked at. */
export interface NoLook {
  /** In the system's words. */
  readonly why: string;
  /** It is for others: root, mail_owner. */
  readonly denied: boolean;
}

/** What is known of the place of the queue. */
export interface QueueFacts {
  readonly path: string;
  readonly fileSystem: FileSystem | NoLook;
  /** Microseconds until a page is said to be stored; or why nothing can be written. */
  readonly sync: number | NoLook;
  /** Bytes that are kept free: with less, mail is refused (queue_minfree, 1.5 times message_size_limit). */
  readonly reserve: number;
}

const QUEUE = "queue";

/** Where nothing is stored it is less than one; 115 and more were measured on disks. */
const IMPLAUSIBLE = 10;
/** Slower than any disk of today in good health. */
const SLOW = 200_000;
/** With so many times what is kept free there is room for some mail. */
const ROOMY = 4;

/** Whether what is accepted is kept: where the queue lies, whether a sync means anything, and room. */
export function checkQueue({ path, fileSystem, sync, reserve }: QueueFacts): CheckResult[] {
  if ("why" in fileSystem) return [unseen(path, fileSystem)];
  const found = [
    ...kindOf(path, fileSystem),
    ...syncOf(path, fileSystem, sync),
    ...spaceOf(fileSystem, reserve),
  ];
  if (found.length > 0) return found;
  const took = typeof sync === "number" ? `, a sync takes ${timeText(sync)}` : "";
  return [ok(QUEUE, `${path} is on ${fileSystem.kind}${took}, ${sizeText(fileSystem.freeBytes)} are free`)];
}

function unseen(path: string, { why, denied }: NoLook): CheckResult {
  if (denied) {
    return warning(QUEUE, `${path}: ${why}: only its owner can look at it`, {
      fix: "run it as root, or as mail_owner",
    });
  }
  return problem(QUEUE, `${path}: ${why}`, {
    fix: "queue_directory has to be a folder that can be written to",
  });
}

const OF_MEMORY: ReadonlySet<string> = new Set(["tmpfs", "ramfs"]);
const OF_NETWORK = /^(?:nfs\d*|cifs|smb\d*|9p|fuse(?:\..*)?|ceph|glusterfs)$/;

function kindOf(path: string, { kind, mountedOn, options }: FileSystem): CheckResult[] {
  const at = mountedOn === "" ? "" : ` (mounted on ${mountedOn})`;
  if (OF_MEMORY.has(kind)) {
    return [
      warning(QUEUE, `${path} is in memory: ${kind}${at}; accepted mail is gone when the machine stops`, {
        fix: "put queue_directory on a disk",
      }),
    ];
  }
  if (kind === "overlay") {
    return [
      warning(
        QUEUE,
        `${path} is in a container's own layer: overlay${at}; accepted mail goes with the container`,
        {
          fix: `give the container a volume that holds queue_directory: docker run -v mail:${path}`,
        },
      ),
    ];
  }
  if (OF_NETWORK.test(kind)) {
    return [
      warning(
        QUEUE,
        `${path} is another machine's: ${kind}${at}; what a sync and a lock mean is for that one to say`,
        {
          fix: "put queue_directory on a disk of this machine; an NFS server must export it with sync",
        },
      ),
    ];
  }
  const careless = options.filter((each) =>
    each === "volatile" || each === "nobarrier" || each === "barrier=0"
  );
  if (careless.length === 0) return [];
  return [
    warning(
      QUEUE,
      `${path} is on ${kind}${at} with ${careless.join(", ")}: a loss of power loses accepted mail`,
      {
        fix: "mount it without that option",
      },
    ),
  ];
}

function syncOf(path: string, { kind }: FileSystem, sync: number | NoLook): CheckResult[] {
  if (typeof sync !== "number") return [unseen(path, sync)];
  if (sync < IMPLAUSIBLE && !OF_MEMORY.has(kind)) {
    return [
      warning(
        QUEUE,
        `a sync in ${path} takes ${
          timeText(sync)
        }: no disk is that quick, so it seems that nothing is stored`,
        {
          fix:
            "look for a library that leaves syncs out (libeatmydata in LD_PRELOAD), or for a disk of a virtual machine with cache=unsafe",
        },
      ),
    ];
  }
  if (sync <= SLOW) return [];
  return [warning(QUEUE, `a sync in ${path} takes ${timeText(sync)}: every message waits for one`, {
    fix: "look at the disk's health and at who else writes to it",
  })];
}

function spaceOf({ freeBytes, freeFiles }: FileSystem, reserve: number): CheckResult[] {
  const kept = `${sizeText(reserve)} are kept free (queue_minfree, 1.5 times message_size_limit)`;
  const fix = "make room, or give the queue a disk of its own";
  if (freeFiles === 0) return [problem(QUEUE, "no file can be made any more (inodes)", { fix })];
  if (freeBytes <= reserve) {
    return [problem(QUEUE, `mail is refused: ${sizeText(freeBytes)} are free, and ${kept}`, { fix })];
  }
  if (freeBytes >= ROOMY * reserve) return [];
  return [
    warning(QUEUE, `only ${sizeText(freeBytes)} are free, and ${kept}: below that mail is refused`, { fix }),
  ];
}

/** `12 GB`, `1.5 MB`. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let [value, at] = [bytes, 0];
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000;
  return `${value >= 10 || at === 0 ? Math.round(value) : Math.round(10 * value) / 10} ${units[at]}`;
}

function timeText(microseconds: number): string {
  if (microseconds < 1000) return `${Math.round(10 * microseconds) / 10} microseconds`;
  return `${Math.round(microseconds / 100) / 10} milliseconds`;
}
