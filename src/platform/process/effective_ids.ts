import { keepingDeathSignal } from "./death_signal.ts";

/**
 * Runs `work` with another user's and group's rights, when this process is root; otherwise just runs it. Files made inside
 * belong to that user (postmap(1) without -o).
 */
export function asOwner<T>(uid: number, gid: number, work: () => T): T {
  const own = { uid: process.geteuid!(), gid: process.getegid!(), groups: process.getgroups!() };
  if (own.uid !== 0 || (uid === 0 && gid === own.gid)) return work();
  return keepingDeathSignal(() => {
    process.setgroups!([gid]);
    process.setegid!(gid);
    process.seteuid!(uid);
    try {
      return work();
    } finally {
      process.seteuid!(own.uid);
      process.setegid!(own.gid);
      process.setgroups!(own.groups);
    }
  });
}

/** Whether this process has rights of another user or group than who called it (set-user-ID and set-group-ID programs). */
export function hasRightsOfOthers(): boolean {
  return process.getuid!() !== process.geteuid!() || process.getgid!() !== process.getegid!();
}

/** Tells whether this process has root's rights. */
export function isRoot(): boolean {
  return process.geteuid!() === 0;
}

/** Gives up root's rights for good, for those of a user without further groups; does nothing when this process is not root. */
export function becomeUser(uid: number, gid: number): void {
  if (!isRoot() || uid === 0) return;
  process.setgroups!([gid]);
  process.setgid!(gid);
  process.setuid!(uid);
}
