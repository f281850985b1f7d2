import { hashOn } from "./bdb_format.ts";
import { foldingOf } from "../text/fold.ts";
import { parseAliasLine } from "../text/alias_line.ts";
import { isUtf8 } from "node:buffer";
import { aliasSuspicion, type KeyValue, notUtf8, splitKeyValue } from "../text/key_value.ts";
import { neverMatches } from "../text/never_matching.ts";
import type { OnDuplicate, RecordSet } from "./records/record_set.ts";
import { isBlank, lineText, logicalLines } from "../text/source_lines.ts";

/** How records are taken from a source into an index. */
export interface TakeOptions {
  readonly format: "map" | "alias";
  readonly fold: boolean;
  readonly encoding: "utf8" | "latin1";
  /** Keys and values get a terminating NUL. */
  readonly terminate: boolean;
  readonly onDuplicate: OnDuplicate;
  /** Name of the source in messages. */
  readonly name: string;
  readonly warn: (text: string) => void;
  /** Hears of a key that was there already and was not asked for silence. */
  readonly duplicate: (key: string) => void;
  /** Turns a value into what is stored (postmap -F); undefined skips the record and has warned. */
  readonly storedValue?: (value: string, line: number) => Uint8Array | undefined;
  /** Bytes of the source, where that is known. */
  readonly size?: number;
  /** Called now and then with the number of records so far. */
  readonly progress?: (records: number) => void;
}

/** Takes all records of a source (postmap(1), postalias(1)), which comes in pieces that no logical line goes beyond. */
export function takeSource(pieces: Iterable<Buffer>, records: RecordSet, options: TakeOptions): void {
  const taker = new Taker(records, options);
  let line = 0;
  let done = 0;
  for (const piece of pieces) {
    line = logicalLines(
      piece,
      options.format === "alias"
        ? (line, start, end, number) => taker.alias(line, start, end, number)
        : (line, start, end, number) => taker.map(line, start, end, number),
      (text) => options.warn(`${options.name}: ${text}`),
      options.format === "map" && options.storedValue === undefined
        ? (line, start) => taker.plain(line, start)
        : undefined,
      line,
    );
    done += piece.length;
    if (options.size !== undefined) records.expect(Math.ceil(SURPLUS * records.count * options.size / done));
  }
}

/** Room is made for somewhat more records than there seem to be. */
const SURPLUS = 1.05;

const NEWLINE = 0x0a;
const HASH = 0x23;
const STAR = 0x2a;
const SLASH = 0x2f;
const COLON = 0x3a;
const BLANK = 1;

/** What a byte of a key becomes: itself or its lower case; BLANK ends the key, 0 is no matter for the plain way. */
function keyBytes(fold: boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0x21; byte < 0x7f; byte++) {
    table[byte] = fold && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  for (const odd of '"\\') table[odd.charCodeAt(0)] = 0;
  for (const blank of " \t\v\f\r") table[blank.charCodeAt(0)] = BLANK;
  return table;
}

/** Bytes with which a key must begin to be worth a closer look by neverMatches. */
const SUSPICIOUS = new Set([..."*/0123456789"].map((char) => char.charCodeAt(0)));
const PROGRESS_EVERY = 1 << 14;

/** Whether what follows a line may belong to it: more of it, or lines that do not count, behind which more may come. */
function mayGoOn(bytes: Uint8Array, next: number): boolean {
  const first = bytes[next];
  return first !== undefined && (first === HASH || isBlank(first));
}

class Taker {
  readonly #records: RecordSet;
  readonly #options: TakeOptions;
  readonly #foldText: (text: string) => string;
  readonly #keyBytes: Uint8Array;
  #taken = 0;

  constructor(records: RecordSet, options: TakeOptions) {
    this.#records = records;
    this.#options = options;
    this.#keyBytes = keyBytes(options.fold);
    this.#foldText = foldingOf(options);
  }

  #warn(line: number, text: string): void {
    this.#options.warn(`${this.#options.name}, line ${line}: ${text}`);
  }

  /**
   * The common line: an ASCII key without quotes, a value, and nothing to warn of. It goes straight into the arena, each byte
   * looked at once. Answers where the next line starts, or -1, having taken nothing, when the line wants a closer look.
   */
  plain(bytes: Buffer, start: number): number {
    const { terminate, encoding, onDuplicate } = this.#options;
    const end = bytes.length;
    const table = this.#keyBytes;
    const nul = terminate ? 1 : 0;
    const from = this.#records.reserve(end - start + 2); // what is left of the source is room enough for what becomes of it
    const { arena } = this.#records;
    let at = start;
    let to = from;
    let folded = 0;
    let hash = 0;
    for (; at < end; at++) {
      folded = table[bytes[at]!]!;
      if (folded <= BLANK) break;
      arena[to++] = folded;
      hash = hashOn(hash, folded);
    }
    if (at === end || folded !== BLANK || this.#isSuspicious(arena, from, to)) return -1;
    const keyLength = to - from + nul;
    if (terminate) {
      arena[to++] = 0;
      hash = hashOn(hash, 0);
    }
    while (at < end && table[bytes[at]!] === BLANK) at++;
    if (at === end || bytes[at] === NEWLINE) return -1;
    const valueStart = to;
    let valueEnd = to;
    let high = 0;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === NEWLINE) break;
      if (byte === 0) return -1;
      high |= byte;
      arena[to++] = byte;
      if (byte > 0x20 || table[byte] !== BLANK) valueEnd = to;
    }
    if ((high > 127 && encoding === "utf8") || mayGoOn(bytes, at + 1)) return -1;
    if (terminate) arena[valueEnd] = 0;
    const fresh = this.#records.commit(keyLength, valueEnd - valueStart + nul, onDuplicate, hash);
    this.#after(fresh, arena, from, keyLength - nul);
    return at + 1;
  }

  /** Whether a key may be one that earns a warning. */
  #isSuspicious(arena: Uint8Array, start: number, end: number): boolean {
    const first = arena[start]!;
    if (arena[end - 1] === COLON || first === STAR || first === SLASH) return true;
    return first <= 0x39 && first >= 0x30 && arena.subarray(start, end).includes(SLASH);
  }

  map(bytes: Buffer, start: number, end: number, line: number): void {
    const bad = this.#options.encoding === "utf8" ? notUtf8(bytes, start, end) : undefined;
    if (bad !== undefined) return this.#warn(line, bad);
    const split = splitKeyValue(bytes, start, end);
    if (typeof split === "string") return this.#warn(line, split);
    const suspicion = aliasSuspicion(bytes, split.keyEnd);
    if (suspicion !== undefined) this.#warn(line, suspicion);
    if (SUSPICIOUS.has(bytes[start]!)) this.#warnIfNeverMatching(bytes, start, split, line);
    this.#take(bytes, start, split, line);
  }

  #warnIfNeverMatching(bytes: Buffer, start: number, split: KeyValue, line: number): void {
    const { encoding } = this.#options;
    const key = bytes.toString(encoding, start, split.keyEnd);
    const instead = neverMatches(
      key,
      bytes.toString(encoding, split.valueStart, Math.min(split.valueEnd, split.valueStart + 64)),
    );
    if (instead !== undefined) {
      this.#warn(
        line,
        `the key "${lineText(bytes, start, split.keyEnd)}" never matches in an indexed table; ${instead}`,
      );
    }
  }

  #take(bytes: Buffer, start: number, split: KeyValue, line: number): void {
    const { storedValue, encoding } = this.#options;
    if (storedValue !== undefined) {
      const value = storedValue(bytes.toString(encoding, split.valueStart, split.valueEnd), line);
      if (value === undefined) return;
      return this.#addText(bytes.toString(encoding, start, split.keyEnd), value);
    }
    if (this.#writeAscii(bytes, start, split)) return;
    this.#addText(
      bytes.toString(encoding, start, split.keyEnd),
      bytes.subarray(split.valueStart, split.valueEnd),
    );
  }

  /** The common case: an ASCII key goes straight into the arena, folded on the way. False when the key is not ASCII. */
  #writeAscii(bytes: Buffer, start: number, { keyEnd, valueStart, valueEnd }: KeyValue): boolean {
    const { terminate, fold } = this.#options;
    const nul = terminate ? 1 : 0;
    const keyLength = keyEnd - start;
    const valueLength = valueEnd - valueStart;
    const at = this.#records.reserve(keyLength + valueLength + 2 * nul);
    const { arena } = this.#records;
    for (let i = 0; i < keyLength; i++) {
      const byte = bytes[start + i]!;
      if (byte > 127) return false;
      arena[at + i] = fold && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    let to = at + keyLength;
    if (terminate) arena[to++] = 0;
    for (let i = valueStart; i < valueEnd; i++) arena[to++] = bytes[i]!;
    if (terminate) arena[to] = 0;
    const fresh = this.#records.commit(keyLength + nul, valueLength + nul, this.#options.onDuplicate);
    this.#after(fresh, arena, at, keyLength);
    return true;
  }

  #addText(text: string, value: Uint8Array): void {
    const { encoding, terminate, onDuplicate } = this.#options;
    const folded = this.#foldText(text);
    const key = Buffer.from(folded, encoding);
    const fresh = this.#records.add(key, value, terminate, onDuplicate);
    this.#after(fresh, key, 0, key.length);
  }

  #after(fresh: boolean, key: Uint8Array, start: number, length: number): void {
    if (!fresh) {
      const bytes = Buffer.from(key.buffer, key.byteOffset + start, length);
      this.#options.duplicate(lineText(bytes, 0, length));
    }
    if (++this.#taken % PROGRESS_EVERY === 0) this.#options.progress?.(this.#records.count);
  }

  alias(bytes: Buffer, start: number, end: number, line: number): void {
    const { encoding } = this.#options;
    const text = bytes.subarray(start, end);
    if (encoding === "utf8" && !isUtf8(text)) return this.#warn(line, notUtf8(bytes, start, end)!);
    const alias = parseAliasLine(text.toString(encoding));
    if (typeof alias === "string") return this.#warn(line, alias);
    this.#addText(alias.name, Buffer.from(alias.value, encoding));
  }
}
