import { MboxSplitter } from "../../message/split_mbox.ts";
import { FolderEntries } from "../../platform/file/folder/folder_entries.ts";
import { fileIdentity, RandomAccessFile, readPlain } from "../../platform/file/random_access_file.ts";
import { standardInputAsItComes } from "../../platform/process/standard_input.ts";
import { systemErrorText } from "../../platform/system_error.ts";

/** Something that may hold reports: a file, or one message of an mbox file. */
export type Source =
  | { readonly name: string; readonly bytes: Buffer }
  | { readonly name: string; readonly fault: string };

/** Bytes of a message or a file of its own; bytes of an mbox file that are read at a time. */
const [LARGEST, PIECE] = [32 << 20, 4 << 20];
/** Entries of a folder. */
const MOST_ENTRIES = 1_000_000;
const MBOX = "From ";

/** What there is to read at a place. What cannot be read is named. */
export async function* sourcesOf(path: string): AsyncGenerator<Source> {
  try {
    if (path === "-") yield* split("standard input", pieces(standardInputAsItComes()));
    else if (isFolder(path)) yield* folder(path);
    else yield* split(path, piecesOf(path));
  } catch (error) {
    yield { name: path === "-" ? "standard input" : path, fault: systemErrorText(error) };
  }
}

function isFolder(path: string): boolean {
  return fileIdentity(path)?.isFile === false;
}

/** The files of a Maildir, or of any other folder, in the order of their names. */
function* folder(path: string): Generator<Source> {
  const names = namesIn(path);
  const parts = ["cur", "new"].filter((name) => names.includes(name) && isFolder(`${path}/${name}`));
  const files = parts.length === 0
    ? names.map((name) => `${path}/${name}`)
    : parts.flatMap((part) => namesIn(`${path}/${part}`).map((name) => `${path}/${part}/${name}`));
  for (const file of files) {
    if (isFolder(file)) continue;
    try {
      yield { name: file, bytes: readPlain(file, LARGEST) };
    } catch (error) {
      yield { name: file, fault: systemErrorText(error) };
    }
  }
}

function namesIn(path: string): readonly string[] {
  const entries = new FolderEntries(path);
  const names: string[] = [];
  try {
    for (
      let some = entries.next();
      some !== undefined && names.length < MOST_ENTRIES;
      some = entries.next()
    ) {
      names.push(...some.map(({ name }) => name).filter((name) => !name.startsWith(".")));
    }
  } finally {
    entries.close();
  }
  return names.sort();
}

/** One thing, or the messages of an mbox file. */
async function* split(
  name: string,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<Source> {
  let splitter: MboxSplitter | undefined;
  let number = 0;
  const whole: Buffer[] = [];
  let size = 0;
  const numbered = (bytes: Buffer | undefined): Source => sourceOf(`${name}: message ${++number}`, bytes);
  for await (const chunk of chunks) {
    if (size === 0 && chunk.toString("latin1", 0, MBOX.length) === MBOX) splitter = new MboxSplitter(LARGEST);
    size += chunk.length;
    if (splitter !== undefined) { for (const bytes of splitter.push(chunk)) yield numbered(bytes); }
    else if (size <= LARGEST) whole.push(chunk);
  }
  if (splitter !== undefined) { for (const bytes of splitter.end()) yield numbered(bytes); }
  else if (size > 0) yield sourceOf(name, size > LARGEST ? undefined : Buffer.concat(whole));
}

function sourceOf(name: string, bytes: Buffer | undefined): Source {
  return bytes === undefined
    ? { name, fault: "larger than a message with a report may be" }
    : { name, bytes };
}

function* piecesOf(path: string): Generator<Buffer> {
  const file = new RandomAccessFile(path);
  try {
    for (let at = 0;;) {
      const piece = Buffer.allocUnsafeSlow(PIECE);
      const got = file.read(piece, at);
      if (got === 0) return;
      yield piece.subarray(0, got);
      at += got;
    }
  } finally {
    file.close();
  }
}

/** Small pieces as large ones. */
async function* pieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    size += chunk.length;
    if (size < PIECE) continue;
    yield Buffer.concat(held);
    [held, size] = [[], 0];
  }
  if (size > 0) yield Buffer.concat(held);
}
