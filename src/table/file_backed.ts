import { type FileIdentity, fileIdentity, sameFile } from "../platform/random_access_file.ts";

/** How often a file is looked at for changes, in milliseconds: no system call per lookup. */
export const RECHECK = 1000;

/** Content that comes from a file and follows its changes. */
export interface FileBacked<T> {
  current(): T;
}

/**
 * Loads a file's content now and again whenever the file is another: looked at no more than once a second. `load` does not
 * throw; it answers what is to be served, trouble included.
 */
export function fileBacked<T>(path: string, clock: () => number, load: (path: string) => T): FileBacked<T> {
  let seen: FileIdentity | undefined;
  let checked = -Infinity;
  let content: T | undefined;
  return {
    current: () => {
      const now = clock();
      if (content !== undefined && now - checked < RECHECK && now >= checked) return content;
      checked = now;
      const identity = identityOrNone(path);
      if (content === undefined || !sameFile(seen, identity)) {
        seen = identity;
        content = load(path);
      }
      return content;
    },
  };
}

function identityOrNone(path: string): FileIdentity | undefined {
  try {
    return fileIdentity(path);
  } catch {
    return undefined; // the load says what is wrong
  }
}
