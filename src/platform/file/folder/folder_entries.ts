import fs from "node:fs";
import { errno, libc, systemError } from "../../libc.ts";

/** getdents64(2): the C library of old systems has no name for it. */
const NUMBER: Readonly<Record<string, number>> = { x64: 217, arm64: 61 };
const BYTES = 32_768;
const [FOLDER, PLAIN] = [4, 8];
const TYPE_AT = 18;
const NAME_AT = 19;

/** What stands in a text for bytes that are no UTF-8. */
export const NO_CHARACTER = "\ufffd";

const open = () => libc({ syscall: { args: ["i64", "i32", "ptr", "u64"], returns: "i64" } });
let calls: ReturnType<typeof open> | undefined;

/** What has a name in a folder; a file system that does not say leaves it `unknown`. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "other" | "unknown";
  /** The name itself, where that is no UTF-8: `name` shows it, and leads nowhere. */
  readonly bytes?: Buffer;
}

/**
 * What is in a folder, some hundred entries at a time, in no order: of a folder with a million entries no more is held in memory. What is
 * made or removed meanwhile may come or not.
 */
export class FolderEntries {
  readonly #fd: number;
  readonly #bytes = Buffer.allocUnsafeSlow(BYTES);

  /** Throws the system's error. */
  constructor(path: string) {
    this.#fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  }

  /** Undefined after the last ones. Throws the system's error. */
  next(): readonly FolderEntry[] | undefined {
    const number = NUMBER[process.arch];
    if (number === undefined) throw new Error(`No getdents64 for ${process.arch}`);
    const got = Number((calls ??= open()).syscall(number, this.#fd, this.#bytes, BYTES));
    if (got < 0) throw systemError("getdents64", errno());
    return got === 0 ? undefined : this.#entries(got);
  }

  #entries(length: number): FolderEntry[] {
    const entries: FolderEntry[] = [];
    for (let at = 0; at < length; at += this.#bytes.readUInt16LE(at + 16)) {
      const end = this.#bytes.indexOf(0, at + NAME_AT);
      const name = this.#bytes.toString("utf8", at + NAME_AT, end);
      if (name === "." || name === "..") continue;
      const bytes = name.includes(NO_CHARACTER)
        ? Buffer.from(this.#bytes.subarray(at + NAME_AT, end))
        : undefined;
      entries.push({ name, kind: kindOf(this.#bytes[at + TYPE_AT]!), ...(bytes !== undefined && { bytes }) });
    }
    return entries;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

function kindOf(type: number): FolderEntry["kind"] {
  if (type === FOLDER) return "folder";
  if (type === PLAIN) return "file";
  return type === 0 ? "unknown" : "other";
}
