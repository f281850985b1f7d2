import { readJson } from "../../base/bounded_json.ts";
import { Misfit, type Shape } from "../../base/shape.ts";
import { crc32 } from "../../platform/checksum.ts";
import {
  type DropEnd,
  dropEnd,
  type DropEnvelope,
  dropEnvelope,
  type DropRecipient,
  dropRecipient,
  HEAD_LENGTH,
  KIND,
  type KindName,
  LONGEST,
  MAGIC,
  MOST_RECIPIENTS,
  PIECE,
  SMALL_PIECES,
} from "./drop_records.ts";

/** A file as it is read: its owner may change it meanwhile, and whatever comes of that is a defect or his own message. */
export interface DropSource {
  /** When it was opened. */
  readonly size: number;
  /** Reads up to `into.length` bytes from there; fewer at the end of the file. Rejects with the system's error. */
  read(into: Uint8Array, position: number): Promise<number>;
}

/** What a whole drop says of its message. */
export interface DropSummary {
  readonly envelope: DropEnvelope;
  readonly recipients: readonly DropRecipient[];
  readonly end: DropEnd;
}

/** Why a file is no drop. */
export class DropDefect {
  constructor(readonly why: string) {}
}

interface FoundRecord {
  readonly kind: KindName;
  readonly at: number;
  readonly length: number;
}

const KINDS = new Map<number, KindName>(
  Object.entries(KIND).map(([name, letter]) => [letter, name as KindName]),
);

function areTooMany(pieces: number, size: number): boolean {
  return pieces > SMALL_PIECES + size / PIECE;
}

/** The largest record fits, so that no record is read in parts. */
const WINDOW = HEAD_LENGTH + LONGEST.content;

/** Reads one drop. It holds no more of the content than a window. */
export class DropReader {
  readonly #source: DropSource;
  #window = Buffer.alloc(0);
  #windowAt = 0;

  constructor(source: DropSource) {
    this.#source = source;
  }

  /** So many bytes from there, fewer at the end of the file; good until the next call. */
  async #bytes(at: number, length: number): Promise<Buffer> {
    const from = at - this.#windowAt;
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length);
    // A new one each time: content that was handed on may be still in use.
    const window = Buffer.allocUnsafeSlow(Math.min(WINDOW, Math.max(this.#source.size - at, 1)));
    const got = await this.#source.read(window, at);
    this.#window = window.subarray(0, got);
    this.#windowAt = at;
    return this.#window.subarray(0, length);
  }

  async #record(at: number): Promise<FoundRecord | DropDefect> {
    const head = await this.#bytes(at, HEAD_LENGTH);
    if (head.length < HEAD_LENGTH) return new DropDefect("it ends before its end record");
    const kind = KINDS.get(head[0]!);
    if (kind === undefined) return new DropDefect(`a record of kind ${head[0]} at byte ${at}`);
    const length = head.readUInt32BE(1);
    if (length > 0 && length <= LONGEST[kind]) return { kind, at: at + HEAD_LENGTH, length };
    return new DropDefect(`a record (${kind}) of ${length} bytes at byte ${at}`);
  }

  async #json<T>({ kind, at, length }: FoundRecord, shape: Shape<T>): Promise<T | DropDefect> {
    const bytes = await this.#bytes(at, length);
    if (bytes.length < length) return new DropDefect("it ends in a record");
    const value = readJson(bytes.toString("utf8"), shape);
    return value instanceof Misfit ? new DropDefect(`${kind} at byte ${at}: ${value}`) : value;
  }

  /** All that is not content, when the file is a whole drop. */
  async summary(): Promise<DropSummary | DropDefect> {
    const magic = await this.#bytes(0, MAGIC.length);
    if (!magic.equals(MAGIC)) return new DropDefect("it does not begin as a drop of this version does");
    const first = await this.#record(MAGIC.length);
    if (first instanceof DropDefect) return first;
    if (first.kind !== "envelope") return new DropDefect("its first record is no envelope");
    const envelope = await this.#json(first, dropEnvelope);
    if (envelope instanceof DropDefect) return envelope;
    const rest = await this.#rest(first.at + first.length);
    return rest instanceof DropDefect ? rest : { envelope, ...rest };
  }

  async #rest(from: number): Promise<Omit<DropSummary, "envelope"> | DropDefect> {
    const recipients: DropRecipient[] = [];
    let [at, size, pieces] = [from, 0, 0];
    for (;;) {
      const found = await this.#record(at);
      if (found instanceof DropDefect) return found;
      at = found.at + found.length;
      if (found.kind === "envelope") return new DropDefect("a second envelope");
      if (found.kind === "end") return await this.#atEnd(found, recipients, size);
      if (found.kind === "content") {
        size += found.length;
        if (areTooMany(++pieces, size)) return new DropDefect("its content is in too many pieces");
      } else {
        const recipient = await this.#json(found, dropRecipient);
        if (recipient instanceof DropDefect) return recipient;
        if (recipients.push(recipient) > MOST_RECIPIENTS) {
          return new DropDefect(`more than ${MOST_RECIPIENTS} recipients`);
        }
      }
    }
  }

  async #atEnd(
    found: FoundRecord,
    recipients: readonly DropRecipient[],
    size: number,
  ): Promise<Omit<DropSummary, "envelope"> | DropDefect> {
    const end = await this.#json(found, dropEnd);
    if (end instanceof DropDefect) return end;
    if ((await this.#bytes(found.at + found.length, 1)).length > 0) {
      return new DropDefect("there is something behind its end record");
    }
    const isWhole = end.recipients === recipients.length && end.size === size;
    return isWhole ? { recipients, end } : new DropDefect("its end record does not fit what is before it");
  }

  /**
   * The content of a drop with that summary, piece by piece. When it is over it answers whether it was what the end record says: nothing
   * of it counts before.
   */
  async *content({ end }: DropSummary): AsyncGenerator<Buffer, DropDefect | undefined> {
    let [at, size, crc, pieces] = [MAGIC.length, 0, 0, 0];
    while (size < end.size) {
      const found = await this.#record(at);
      if (found instanceof DropDefect) return found;
      at = found.at + found.length;
      if (found.kind === "end") break;
      if (found.kind !== "content") continue;
      const piece = await this.#bytes(found.at, found.length);
      if (piece.length < found.length || areTooMany(++pieces, size)) break;
      size += piece.length;
      crc = crc32(piece, crc);
      yield piece;
    }
    return size === end.size && crc === end.crc
      ? undefined
      : new DropDefect("its content does not fit its end record");
  }
}
