import { isUtf8 } from "node:buffer";
import { type FileIdentity, sameFile } from "../../platform/file/random_access_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { errorCode } from "../../platform/system_error.ts";
import { sharedLock } from "../../platform/file/lock/file_lock.ts";
import { resolvePath, type TableContext } from "../context.ts";
import { lookAt, mayChangeUnseen, RECHECK, SettleWait } from "../text/file_backed.ts";
import { KeyEncoder } from "./index_key.ts";
import { readOwnedTableFile } from "../text/table_file.ts";
import { type IndexFormat, whyNotOpened } from "./index_formats.ts";
import { type FoundValue, type RecordFile, TableFault } from "./record_file.ts";
import { possibleIn, readSource, type SourceRecord } from "../text/source_records.ts";
import { ABSENT, type Answer, type Possible, type Table } from "../table.ts";
import { foldingOf } from "../text/fold.ts";
import { unavailableNow } from "../unavailable.ts";

/** What lookups are answered from at the moment. */
type Serving =
  | { readonly from: "index"; readonly file: RecordFile }
  | {
    readonly from: "source";
    readonly records: Map<string, SourceRecord>;
    readonly owner: number | undefined;
  }
  | { readonly from: "nothing"; readonly answer: Answer };

/** So often a lookup is made anew when somebody changes the index meanwhile. */
const TRIES = 4;

/** A source of more bytes is not read for the sake of a line number. */
const LONGEST_SOURCE = 1_000_000;

/** Bytes of a source that stands in for an index that is older: more would hold up everything else for too long. */
const STANDS_IN = 16 << 20;

/** The same where there is no index at all. */
const WITHOUT_INDEX = 64 << 20;

/** Real postmap and the daemons wait this long before they call an index old: somebody may still be editing. */
const STILL_EDITING = 100_000;

/** `hash:`, `btree:`, `cdb:`, `lmdb:`: a table in an index file made by postmap(1) from a source of the same name. */
export class IndexedTable implements Table {
  readonly spec: string;
  readonly pattern = false;
  readonly #format: IndexFormat;
  readonly #context: TableContext;
  readonly #source: string;
  readonly #index: string;
  readonly #keys: KeyEncoder;
  #serving: Serving | undefined;
  #checked = -Infinity;
  #passing: { readonly source: FileIdentity; readonly serving: Serving } | undefined;
  #seenIndex: FileIdentity | undefined;
  #seenSource: FileIdentity | undefined;
  /** The files may have changed since without a trace in their times: they are to be read again. */
  #changedJustNow = false;
  readonly #settleWait = new SettleWait();
  /** Warnings about the files as they are now, so that each is said once. */
  readonly #said = new Set<string>();
  /** The form of the first hit is the only one tried from then on, as in Postfix. */
  #tryWithNul: boolean;
  #tryWithout: boolean;

  constructor(name: string, spec: string, format: IndexFormat, context: TableContext) {
    this.spec = spec;
    this.#format = format;
    this.#context = context;
    this.#source = resolvePath(name, context);
    this.#index = this.#source + format.suffix;
    this.#keys = new KeyEncoder(context.fold !== false, context.encoding ?? "utf8");
    this.#tryWithNul = context.nul !== "without";
    this.#tryWithout = context.nul !== "with";
    this.#current();
  }

  lookup(key: string): Answer {
    const serving = this.#current();
    if (serving.from === "index") return this.#inIndex(serving.file, key, TRIES);
    return serving.from === "source" ? this.#inSource(serving.records, key) : serving.answer;
  }

  /**
   * The value of the key `bytes[start..end)`, for keys by the million: no text is made of either. Undefined, and lookup() is to be
   * asked, where there is more to the answer: other letters than ASCII, a file that is being changed or damaged, no index.
   */
  lookupPlain(bytes: Uint8Array, start: number, end: number): FoundValue | "absent" | undefined {
    const serving = this.#current();
    if (serving.from !== "index") return undefined;
    const { file } = serving;
    const length = this.#keys.encodePlain(bytes, start, end);
    if (length < 0) return undefined;
    const before = file.diskReads;
    try {
      const found = this.#locate(file, length);
      if (found !== undefined) return isPlainValue(found) ? found : undefined;
      return file.diskReads === before ? "absent" : undefined;
    } catch (error) {
      if (error instanceof TableFault) return undefined;
      throw error;
    }
  }

  #locate(file: RecordFile, length: number): FoundValue | undefined {
    if (this.#tryWithNul) {
      const found = locate(file, this.#keys.bytes, length + 1);
      if (found !== undefined) {
        this.#tryWithout = false;
        return found;
      }
    }
    if (!this.#tryWithout) return undefined;
    const found = locate(file, this.#keys.bytes, length);
    if (found !== undefined) this.#tryWithNul = false;
    return found;
  }

  owner(): number | undefined {
    const serving = this.#current();
    if (serving.from === "nothing") return undefined;
    return serving.from === "index" ? serving.file.owner : serving.owner;
  }

  /** What lookups would find at the moment, without the line: the index does not know it. */
  possible(wanted: (value: string) => boolean): Iterable<Possible> | undefined {
    const serving = this.#current();
    if (serving.from === "nothing") return undefined;
    return serving.from === "source" ? possibleIn(serving.records) : this.#possibleIn(serving.file, wanted);
  }

  /** The key's line in the source; undefined when there is none, or it is too long to be read for that. */
  lineOf(key: string): number | undefined {
    const source = lookAt(this.#source);
    if (source === undefined || source.size > LONGEST_SOURCE) return undefined;
    const serving = this.#serving?.from === "source" ? this.#serving : this.#fromSource();
    return serving.from === "source" ? serving.records.get(foldingOf(this.#context)(key))?.line : undefined;
  }

  *#possibleIn(file: RecordFile, wanted: (value: string) => boolean): Iterable<Possible> {
    for (const { key, value } of file.records()) {
      const text = textOf(value);
      if (wanted(text)) yield { is: "key", key: textOf(key), value: text };
    }
  }

  close(): void {
    this.#release();
    this.#serving = { from: "nothing", answer: this.#trouble("it has been closed") };
    this.#checked = Infinity;
  }

  #trouble(why: string): Answer {
    return unavailableNow(this.spec, why);
  }

  #inSource(records: Map<string, SourceRecord>, key: string): Answer {
    const record = records.get(foldingOf(this.#context)(key));
    return record === undefined ? ABSENT : { is: "found", value: record.value, line: record.line };
  }

  /** Searches the index. A miss or damage on pages fresh from disk counts only if the file is still the one we opened. */
  #inIndex(file: RecordFile, key: string, tries: number): Answer {
    const before = file.diskReads;
    let answer: Answer;
    try {
      answer = this.#search(file, key);
    } catch (error) {
      if (!(error instanceof TableFault)) throw error;
      answer = this.#trouble(error.message);
    }
    if (answer.is === "found" || (answer.is === "absent" && file.diskReads === before) || isUnchanged(file)) {
      return answer;
    }
    if (tries <= 1) return this.#trouble("it is being rewritten");
    this.#checked = -Infinity;
    const serving = this.#current();
    if (serving.from === "index") return this.#inIndex(serving.file, key, tries - 1);
    return serving.from === "source" ? this.#inSource(serving.records, key) : serving.answer;
  }

  #search(file: RecordFile, key: string): Answer {
    const length = this.#keys.encode(key);
    if (length < 0) return ABSENT;
    if (this.#tryWithNul) {
      const value = file.find(this.#keys.bytes, length + 1);
      if (value !== undefined) {
        this.#tryWithout = false;
        return this.#found(value, key);
      }
    }
    if (this.#tryWithout) {
      const value = file.find(this.#keys.bytes, length);
      if (value !== undefined) {
        this.#tryWithNul = false;
        return this.#found(value, key);
      }
    }
    return ABSENT;
  }

  #found(stored: Uint8Array, key: string): Answer {
    const { encoding } = this.#context;
    let end = 0;
    let high = 0;
    for (; end < stored.length; end++) {
      const byte = stored[end]!;
      if (byte === 0) break;
      high |= byte;
    }
    const bytes = Buffer.isBuffer(stored)
      ? stored
      : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    if (high < 128 || encoding === "latin1") return { is: "found", value: bytes.toString("latin1", 0, end) };
    if (isUtf8(bytes.subarray(0, end))) return { is: "found", value: bytes.toString("utf8", 0, end) };
    const why = `key "${key}": non-UTF-8 value: malformed UTF-8 or invalid codepoint`;
    return { is: "trouble", retry: false, why: `${this.spec}: ${why}` };
  }

  /** What to answer from, after a look at the files if the last one was a second ago. */
  #current(): Serving {
    const now = this.#context.clock();
    if (this.#serving !== undefined && now - this.#checked < RECHECK && now >= this.#checked) {
      return this.#serving;
    }
    if (this.#checked === Infinity) return this.#serving!;
    this.#checked = now;
    const index = lookAt(this.#index);
    const source = plainFile(this.#source);
    const same = sameFile(index, this.#seenIndex) && sameFile(source, this.#seenSource);
    if (this.#serving !== undefined) {
      if (same ? !this.#isTransient(this.#serving) : this.#waits(this.#serving, index, source, now)) {
        return this.#serving;
      }
    }
    if (!same) this.#said.clear();
    this.#settleWait.end();
    this.#changedJustNow = mayChangeUnseen(index, now) ||
      (index === undefined && mayChangeUnseen(source, now));
    this.#seenIndex = index;
    this.#seenSource = source;
    this.#release();
    return this.#serving = this.#choose(index, source, now);
  }

  /** What failed, was in the way of a writer or was read in haste is tried again each second: it may be complete by then. */
  #isTransient(serving: Serving): boolean {
    return serving.from === "nothing" || serving === this.#passing?.serving || this.#changedJustNow;
  }

  /** While the source is being written what was served before is served on. */
  #waits(
    serving: Serving,
    index: FileIdentity | undefined,
    source: FileIdentity | undefined,
    now: number,
  ): boolean {
    return serving.from !== "nothing" && sameFile(index, this.#seenIndex) &&
      this.#settleWait.waitsFor(source, now);
  }

  #release(): void {
    if (this.#serving?.from === "index") this.#serving.file.close();
    this.#serving = undefined;
  }

  #choose(index: FileIdentity | undefined, source: FileIdentity | undefined, now: number): Serving {
    if (index === undefined) return this.#withoutIndex(source);
    const isOld = source !== undefined && Math.floor(source.mtime / 1000) > Math.floor(index.mtime / 1000);
    if (!isOld) return this.#openIndex(source);
    const why = `database ${this.#index} is older than source file ${this.#source}`;
    if (this.#context.asPostmap !== true) {
      if (source.size <= STANDS_IN) return this.#readSource(why, STANDS_IN);
      this.#warn(
        `${why}, which is too large to be read in its place. To make the index anew: ${this.#remedy()}`,
      );
      return this.#openIndex(source);
    }
    const serving = this.#openIndex(source);
    if (serving.from === "index" && now - source.mtime > STILL_EDITING) this.#context.warn(why);
    return serving;
  }

  #withoutIndex(source: FileIdentity | undefined): Serving {
    if (this.#context.lent?.[this.#source] !== undefined) return this.#fromSource();
    const why = `open database ${this.#index}: No such file or directory`;
    if (source === undefined || this.#context.asPostmap === true) return this.#nothing(why);
    return this.#readSource(why, WITHOUT_INDEX);
  }

  #nothing(why: string): Serving {
    return { from: "nothing", answer: this.#trouble(why) };
  }

  /**
   * Opens the index. Postfix's own postmap rewrites .db files in place under a lock, and half of one looks like a table with
   * fewer keys; a new .lmdb file of its is empty until all is in it. Meanwhile the source says what the index will say.
   */
  #openIndex(source: FileIdentity | undefined): Serving {
    const lock = this.#format.rewrittenInPlace
      ? sharedLock(this.#index, this.#context.asPostmap === true)
      : undefined;
    if (lock === "busy") return this.#meanwhile(source);
    this.#passing = undefined;
    try {
      const file = this.#format.open(this.#index, this.#context.asPostmap);
      if (file.isUnborn !== true || source === undefined || this.#context.asPostmap === true) {
        return { from: "index", file };
      }
      file.close();
      return this.#meanwhile(source);
    } catch (error) {
      if (this.#isLent(error)) return this.#fromSource();
      return this.#nothing(whyNotOpened(this.#format, this.#index, error));
    } finally {
      lock?.release();
    }
  }

  /** An index that only root may read (a file of passwords) is stood in for by its source, which master has read. */
  #isLent(error: unknown): boolean {
    return errorCode(error) === "EACCES" && this.#context.lent?.[this.#source] !== undefined;
  }

  /** What to serve while the index is being rewritten; the source is read once, not each second. */
  #meanwhile(source: FileIdentity | undefined): Serving {
    if (source === undefined) return this.#nothing(`${this.#index} is being rewritten`);
    if (this.#passing !== undefined && sameFile(this.#passing.source, source)) return this.#passing.serving;
    const serving = this.#fromSource(WITHOUT_INDEX);
    this.#passing = { source, serving };
    return serving;
  }

  #warn(text: string): void {
    if (!this.#said.has(text)) this.#context.warn(text);
    this.#said.add(text);
  }

  /** The command that makes the index. */
  #remedy(): string {
    const tool = this.#context.sourceFormat === "alias" ? "postalias" : "postmap";
    return `mta ${tool} ${this.#format.type}:${this.#source}`;
  }

  /** Reads the source in place of the index, and says how to have an index again. */
  #readSource(why: string, most: number): Serving {
    this.#warn(`${why}; using the source. To make the index anew: ${this.#remedy()}`);
    return this.#fromSource(most);
  }

  #fromSource(most = STANDS_IN): Serving {
    const { sourceFormat, warn, fold, encoding } = this.#context;
    try {
      const { bytes, owner } = readOwnedTableFile(this.#source, this.#context, most);
      const records = readSource(bytes, this.#source, {
        format: sourceFormat ?? "auto",
        fold: fold !== false,
        encoding: encoding ?? "utf8",
        warn,
        duplicate: (key, line) => warn(`${this.#source}, line ${line}: duplicate entry: "${key}"`),
      });
      return { from: "source", records, owner };
    } catch (error) {
      return this.#nothing(`open ${this.#source}: ${systemErrorText(error)}`);
    }
  }
}

/** A stored key or value without the NUL that may end it. */
function textOf(stored: Uint8Array): string {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

/** A table's source; a folder or pipe of that name is none. */
function plainFile(path: string): FileIdentity | undefined {
  const identity = lookAt(path);
  return identity?.isFile === true ? identity : undefined;
}

/** A file that cannot be looked at any more is not what it was. */
function isUnchanged(file: RecordFile): boolean {
  try {
    return file.unchanged();
  } catch {
    return false;
  }
}

function locate(file: RecordFile, key: Uint8Array, length: number): FoundValue | undefined {
  if (file.locate !== undefined) return file.locate(key, length);
  const value = file.find(key, length);
  return value === undefined ? undefined : { bytes: value, start: 0, end: value.length };
}

/** Whether a value is some ASCII text; then it ends before its NUL, if there is one. */
function isPlainValue(found: FoundValue): boolean {
  const { bytes, start } = found;
  let at = start;
  let high = 0;
  for (; at < found.end; at++) {
    const byte = bytes[at]!;
    if (byte === 0) break;
    high |= byte;
  }
  found.end = at;
  return at > start && high < 128;
}
