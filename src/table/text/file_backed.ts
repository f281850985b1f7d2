import { type FileIdentity, fileIdentity, sameFile } from "../../platform/file/random_access_file.ts";

/** How often a file is looked at for changes, in milliseconds: no system call per lookup. */
export const RECHECK = 1000;

/** A file that was written to in the last so many milliseconds may be half of what it shall be. */
const STILL_WRITTEN = 1000;
/** So often, one after the other, somebody who writes is waited for. */
const MOST_LOOKS = 10;
/** The clock of a file system ticks so slowly that two writes may have the same time, in milliseconds. */
const TICK = 50;

/** Content that comes from a file and follows its changes. */
export interface FileBacked<T> {
  current(): T;
}

/** How a file becomes content. */
export interface Loading<T> {
  readonly path: string;
  readonly clock: () => number;
  /** Throws when the file cannot be read. */
  readonly load: (path: string) => T;
  /** What is served then; the file is tried again each second. */
  readonly failed: (error: unknown) => T;
}

/**
 * Loads a file's content now and again whenever the file is another: looked at no more than once a second. While it is being
 * written what was read before stays.
 */
export function fileBacked<T>({ path, clock, load, failed }: Loading<T>): FileBacked<T> {
  let seen: FileIdentity | undefined;
  let checked = -Infinity;
  let content: { readonly value: T; readonly isFinal: boolean } | undefined;
  const settleWait = new SettleWait();
  return {
    current: () => {
      const now = clock();
      if (content !== undefined && now - checked < RECHECK && now >= checked) return content.value;
      checked = now;
      const identity = lookAt(path);
      if (content?.isFinal === true) {
        if (sameFile(seen, identity) || settleWait.waitsFor(identity, now)) return content.value;
      }
      settleWait.end();
      seen = identity;
      try {
        content = { value: load(path), isFinal: !mayChangeUnseen(identity, now) };
      } catch (error) {
        content = { value: failed(error), isFinal: false };
      }
      return content.value;
    },
  };
}

/** Waits, a limited number of looks, until a file that is being written has settled. */
export class SettleWait {
  #waited = 0;

  /** Whether the file looks as if it were being written, and has not done so for too long. */
  waitsFor(identity: FileIdentity | undefined, now: number): boolean {
    if (identity === undefined || Math.abs(now - identity.mtime) >= STILL_WRITTEN) return false;
    return ++this.#waited <= MOST_LOOKS;
  }

  end(): void {
    this.#waited = 0;
  }
}

/** Whether a file was written so shortly ago that one more write would not show in its times. */
export function mayChangeUnseen(identity: FileIdentity | undefined, now: number): boolean {
  return identity !== undefined && Math.abs(now - identity.mtime) < TICK;
}

/** A file's state; undefined when there is none or it cannot be looked at. */
export function lookAt(path: string): FileIdentity | undefined {
  try {
    return fileIdentity(path);
  } catch {
    return undefined; // who opens it says what is wrong
  }
}
