import fs from "node:fs";

/** How often a file is looked at again, in milliseconds. */
const RECHECK = 5000;

/**
 * The text of a file of the system (`/etc/hosts`), read again when it has changed; "" when it is not there. `parse` runs once
 * per content.
 */
export function systemFile<T>(path: string, parse: (text: string) => T): () => T {
  let checked = -Infinity;
  let seen = "";
  let value: T | undefined;
  return () => {
    const now = Date.now();
    if (value !== undefined && now - checked < RECHECK && now >= checked) return value;
    checked = now;
    const stamp = stampOf(path);
    if (value !== undefined && stamp === seen) return value;
    seen = stamp;
    value = parse(stamp === "" ? "" : textOf(path));
    return value;
  };
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = fs.statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return "";
  }
}

function textOf(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
