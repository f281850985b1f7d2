import fs from "node:fs";
import { asOwner } from "../../process/effective_ids.ts";
import { O_PATH } from "../folder/held_folder.ts";
import { type FileOwner, MailFileFault, mailFileFault } from "../mail_files.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
const OTHERS_WRITE = 0o002;

/** A file that names destinations: a user's `.forward`, or the file of an `:include:`. */
export interface DestinationFile {
  readonly path: string;
  readonly kind: "forward" | "include";
  /** Whose it was found to be when it was decided with whose rights it is read; another's by now is not read. */
  readonly found?: number;
  /** Most bytes. */
  readonly limit: number;
}

/**
 * Reads a file of destinations with a user's rights; undefined when it is not there. What is looked at is what is read, whatever
 * is put in its place meanwhile. Throws MailFileFault in the words of local(8)'s warnings: it must be a plain file that not
 * everybody may write to, a `.forward` no link, and the user's own or root's.
 */
export function readDestinations(file: DestinationFile, user: FileOwner): string | undefined {
  return asOwner(user.uid, user.gid, () => {
    const seen = lookAt(file);
    if (seen === undefined) return undefined;
    try {
      const stat = fs.fstatSync(seen);
      judge(file, stat, user);
      return readSeen(file, seen);
    } finally {
      fs.closeSync(seen);
    }
  });
}

/** A descriptor of what has the name, for which it need not be readable. */
function lookAt({ path, kind }: DestinationFile): number | undefined {
  try {
    return fs.openSync(path, kind === "forward" ? O_PATH | O_NOFOLLOW : O_PATH);
  } catch (error) {
    if (kind === "include") throw mailFileFault(`unable to lookup :include: file ${path}`, error);
    return undefined; // as when it is not there: the home may be out of the user's own reach
  }
}

function judge({ path, kind, found }: DestinationFile, stat: fs.Stats, user: FileOwner): void {
  const file = kind === "forward" ? `file ${path}` : `:include: file ${path}`;
  if (!stat.isFile()) throw new MailFileFault(`${file} is not a regular file`, "EINVAL");
  const foreign = kind === "forward" && stat.uid !== 0 && stat.uid !== user.uid;
  if (foreign) throw new MailFileFault(`${file} has bad owner uid ${stat.uid}`, "EPERM");
  if ((stat.mode & OTHERS_WRITE) !== 0) throw new MailFileFault(`${file} is world writable`, "EPERM");
  if (found !== undefined && stat.uid !== found) {
    throw new MailFileFault(`${file}: file status changed unexpectedly`, "EPERM");
  }
}

/** Opens the very file that was looked at. */
function readSeen({ path, kind, limit }: DestinationFile, seen: number): string {
  const what = kind === "forward" ? `cannot open file ${path}` : `cannot open include file ${path}`;
  try {
    const fd = fs.openSync(`/proc/self/fd/${seen}`, O_RDONLY | O_NONBLOCK);
    try {
      if (fs.fstatSync(fd).size > limit) {
        throw new MailFileFault(`${what}: larger than ${limit} bytes`, "EFBIG");
      }
      return fs.readFileSync(fd, "utf8");
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw mailFileFault(what, error);
  }
}
