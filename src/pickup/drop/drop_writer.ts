import { Misfit } from "../../base/shape.ts";
import { makeNewFile, type NewFile } from "../../platform/file/drop_file.ts";
import { crc32 } from "../../platform/checksum.ts";
import { unguessableBytes } from "../../platform/random.ts";
import { dropFolder, newDropName, UNFINISHED_MODE, WHOLE_MODE } from "./drop_folder.ts";
import {
  type DropEnvelope,
  dropEnvelope,
  type DropRecipient,
  dropRecipient,
  LONGEST,
  MAGIC,
  MOST_RECIPIENTS,
  printHead,
  printRecord,
} from "./drop_records.ts";

/** Records that are shorter than this are put together before they are written. */
const MUCH = 65_536;

/** A message on its way into the folder of drops. Everything throws the system's error; what was begun is then to be discarded. */
export interface DropWriter {
  /** Before, between or behind the content. */
  recipient(recipient: DropRecipient): void;
  /** The next bytes of content, as Unix has it: a line ends in LF alone, and dots are not doubled. */
  content(bytes: Uint8Array): void;
  /** Says that it goes on: what is not finished, and has not changed for a day, is taken away. */
  keep(): void;
  /** The message is the mail system's when this has returned: it is durable. */
  finish(): void;
  /** Leaves nothing behind. Harmless after `finish`. */
  discard(): void;
}

/** Begins a drop in the queue directory. Throws the system's error: ENOENT where no service has ever made the folder. */
export function writeDrop(queueDirectory: string, envelope: DropEnvelope): DropWriter {
  refuseMisfit("envelope", dropEnvelope(envelope));
  const name = newDropName(envelope.time, unguessableBytes(16));
  return new Drop(makeNewFile(dropFolder(queueDirectory), name, UNFINISHED_MODE), envelope);
}

/** What no reader would take is not written. */
function refuseMisfit(kind: string, read: unknown): void {
  if (read instanceof Misfit) throw new RangeError(`${kind}: ${read}`);
}

class Drop implements DropWriter {
  readonly #file: NewFile;
  #waiting: Buffer[] = [];
  #waitingSize = 0;
  #recipients = 0;
  #size = 0;
  #crc = 0;
  /** Content that is no record yet: who writes line by line shall not make a record of each. */
  #piece: Buffer | undefined;
  #pieceSize = 0;

  constructor(file: NewFile, envelope: DropEnvelope) {
    this.#file = file;
    this.#put(MAGIC);
    this.#put(printRecord("envelope", envelope));
  }

  #put(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.length;
    if (this.#waitingSize >= MUCH) this.#flush();
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingSize = 0;
    this.#file.write(bytes);
  }

  recipient(recipient: DropRecipient): void {
    if (++this.#recipients > MOST_RECIPIENTS) throw new RangeError(`more than ${MOST_RECIPIENTS} recipients`);
    refuseMisfit("recipient", dropRecipient(recipient));
    this.#put(printRecord("recipient", recipient));
  }

  content(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = this.#piece ??= Buffer.allocUnsafeSlow(LONGEST.content);
      const some = bytes.subarray(at, at + piece.length - this.#pieceSize);
      // Copied: who reads into one buffer again and again may go on.
      piece.set(some, this.#pieceSize);
      at += some.length;
      this.#pieceSize += some.length;
      if (this.#pieceSize === piece.length) this.#endPiece();
    }
    this.#crc = crc32(bytes, this.#crc);
    this.#size += bytes.length;
  }

  #endPiece(): void {
    if (this.#piece === undefined) return;
    const piece = this.#piece.subarray(0, this.#pieceSize);
    [this.#piece, this.#pieceSize] = [undefined, 0];
    this.#put(printHead("content", piece.length));
    this.#put(piece);
  }

  keep(): void {
    this.#file.touch();
  }

  finish(): void {
    this.#endPiece();
    this.#put(printRecord("end", { recipients: this.#recipients, size: this.#size, crc: this.#crc }));
    this.#flush();
    this.#file.finish(WHOLE_MODE);
  }

  discard(): void {
    this.#file.discard();
  }
}
