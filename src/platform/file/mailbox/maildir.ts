import fs from "node:fs";
import { usersWay } from "../folder/walk_rules.ts";
import { asOwner } from "../../process/effective_ids.ts";
import { errorCode } from "../../system_error.ts";
import { type HeldFolder, holdFolder, type Walk } from "../folder/held_folder.ts";
import {
  type FileOwner,
  MailFileFault,
  mailFileFault,
  syncFile,
  syncFolder,
  writeFully,
} from "../mail_files.ts";

/** Where a maildir message goes, and the words for what fails. */
export interface MaildirOptions {
  readonly owner: FileOwner;
  /** This machine's name, part of each file's. */
  readonly hostname: string;
  /** Most bytes of the message, 0 = no limit. */
  readonly sizeLimit: number;
}

/** The folders of a maildir that a delivery needs, held open. */
interface Maildir {
  readonly tmp: HeldFolder;
  readonly new: HeldFolder;
}

type As = <T>(work: () => T) => T;

let counter = 0;

/** Makes a missing folder, durable at once: the next delivery finds it there and does not ask. */
function makeFolder(folder: HeldFolder, name: string): void {
  try {
    fs.mkdirSync(folder.entry(name), 0o700);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  const fd = folder.readable();
  if (fd === undefined) return;
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Opens the maildir's folders, and makes what is missing of them and above them. */
function openMaildir(path: string, uid: number, as: As): Maildir {
  const mayUse = usersWay(uid);
  try {
    return openFolders(path, { mayUse }, as);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    return openFolders(path, { mayUse, make: makeFolder }, as);
  }
}

function openFolders(path: string, walk: Walk, as: As): Maildir {
  const held: HeldFolder[] = [];
  const hold = (name: string, from?: HeldFolder) => {
    const folder = as(() => holdFolder(name, walk, from));
    held.push(folder);
    return folder;
  };
  try {
    const maildir = hold(path);
    const [tmp, final] = [hold("tmp", maildir), hold("new", maildir)];
    if (walk.make !== undefined) hold("cur", maildir).close();
    maildir.close();
    return { tmp, new: final };
  } catch (error) {
    for (const folder of held) folder.close();
    throw error;
  }
}

/**
 * Delivers a message into a maildir: written to tmp/, synced, moved to new/ under its final name, and new/ synced. The folders
 * are made, and synced, when they are missing. Throws MailFileFault.
 */
export async function deliverToMaildir(
  path: string,
  message: AsyncIterable<Uint8Array>,
  { owner, hostname, sizeLimit }: MaildirOptions,
): Promise<void> {
  const as: As = (work) => asOwner(owner.uid, owner.gid, work);
  const seconds = Math.floor(Date.now() / 1000);
  const name = `${seconds}.P${process.pid}Q${++counter}.${hostname}`;
  const what = `create maildir file ${path}/tmp/${name}`;
  let maildir: Maildir;
  try {
    maildir = openMaildir(path, owner.uid, as);
  } catch (error) {
    throw mailFileFault(what, error);
  }
  const temporary = maildir.tmp.entry(name);
  try {
    const fd = as(() => fs.openSync(temporary, "wx", 0o600));
    try {
      await write(fd, message, sizeLimit);
      const final = maildir.new.entry(finalName(fd, seconds, hostname));
      await move(temporary, final, maildir.new, as);
    } catch (error) {
      as(() => fs.rmSync(temporary, { force: true }));
      throw error;
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw mailFileFault(what, error);
  } finally {
    maildir.tmp.close();
    maildir.new.close();
  }
}

async function write(fd: number, message: AsyncIterable<Uint8Array>, sizeLimit: number): Promise<void> {
  let size = 0;
  for await (const piece of message) {
    size += piece.length;
    if (sizeLimit > 0 && size > sizeLimit) throw new MailFileFault("File too large", "EFBIG");
    writeFully(fd, piece);
  }
  await syncFile(fd);
}

function finalName(fd: number, seconds: number, hostname: string): string {
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  const micros = Math.floor(performance.now() * 1000) % 1_000_000;
  return `${seconds}.V${dev.toString(16)}I${ino.toString(16)}M${micros}.${hostname}`;
}

async function move(temporary: string, final: string, folder: HeldFolder, as: As): Promise<void> {
  as(() => fs.linkSync(temporary, final));
  try {
    as(() => fs.unlinkSync(temporary));
    await syncFolder(folder);
  } catch (error) {
    // It is tried again: what may have arrived goes too, or there would be two.
    as(() => fs.rmSync(final, { force: true }));
    throw error;
  }
}
