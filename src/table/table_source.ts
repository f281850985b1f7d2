import { foldAscii, foldKey } from "./fold.ts";
import { parseAliasLine } from "./alias_line.ts";
import { isUtf8 } from "node:buffer";
import { aliasSuspicion, type KeyValue, notUtf8, splitKeyValue } from "./key_value.ts";
import { neverMatches } from "./never_matching.ts";
import type { OnDuplicate, RecordSet } from "./record_set.ts";
import { logicalLines, printable } from "./source_lines.ts";

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
  /** Called now and then with the number of records so far. */
  readonly progress?: (records: number) => void;
}

/** Takes all records of a source (postmap(1), postalias(1)). */
export function takeSource(bytes: Buffer, records: RecordSet, options: TakeOptions): void {
  const taker = new Taker(records, options);
  logicalLines(
    bytes,
    options.format === "alias"
      ? (line, start, end, number) => taker.alias(line, start, end, number)
      : (line, start, end, number) => taker.map(line, start, end, number),
    (text) => options.warn(`${options.name}: ${text}`),
  );
}

/** Bytes with which a key must begin to be worth a closer look by neverMatches. */
const SUSPICIOUS = new Set([..."*/0123456789"].map((char) => char.charCodeAt(0)));
const PROGRESS_EVERY = 1 << 14;

class Taker {
  readonly #records: RecordSet;
  readonly #options: TakeOptions;
  readonly #foldText: (text: string) => string;
  #taken = 0;

  constructor(records: RecordSet, options: TakeOptions) {
    this.#records = records;
    this.#options = options;
    this.#foldText = !options.fold ? (text) => text : options.encoding === "latin1" ? foldAscii : foldKey;
  }

  #warn(line: number, text: string): void {
    this.#options.warn(`${this.#options.name}, line ${line}: ${text}`);
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
      this.#warn(line, `the key "${printable(key)}" never matches in an indexed table; ${instead}`);
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
    this.#after(fresh, () => Buffer.from(arena.buffer, at, keyLength).toString("latin1"));
    return true;
  }

  #addText(key: string, value: Uint8Array): void {
    const { encoding, terminate, onDuplicate } = this.#options;
    const folded = this.#foldText(key);
    const fresh = this.#records.add(Buffer.from(folded, encoding), value, terminate, onDuplicate);
    this.#after(fresh, () => folded);
  }

  #after(fresh: boolean, key: () => string): void {
    if (!fresh) this.#options.duplicate(key());
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
