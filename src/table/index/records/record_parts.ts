import type { ScratchSpace } from "../../../platform/file/scratch_space.ts";
import { RecordBlock, sizeAt } from "./record_block.ts";
import { TableFault } from "../record_file.ts";
import type { RecordSet } from "./record_set.ts";

/** Bytes of a part that are gathered before they are written. */
const GATHERED = 1 << 15;

/**
 * The records in `2^bits` parts, one after the other, each whole in memory: `partOf` a key's hash. The block is used again for
 * the next part. Records that are more than memory is for are laid out by parts in scratch space first.
 */
export function* partsOf(
  records: RecordSet,
  bits: number,
  partOf: (hash: number) => number,
): Generator<RecordBlock> {
  const memory = records.takeMemory(Math.ceil(records.size / 2 ** bits));
  const scratch = bits === 0 ? undefined : records.moreScratch();
  if (scratch === undefined) return yield* partsInMemory(records, memory, 2 ** bits, partOf);
  try {
    const parts = Array.from({ length: 2 ** bits }, () => new Part());
    let end = 0;
    records.forEach((_bytes, words, at) => {
      end += parts[partOf(words[(at >> 2) + 2]!)]!.add(words, at, scratch, end);
    });
    records.close();
    const block = new RecordBlock(memory);
    for (const part of parts) yield part.load(block, scratch);
  } finally {
    scratch.close();
  }
}

/** Records that lie in memory anyway: each part is picked out of all. */
function* partsInMemory(
  records: RecordSet,
  memory: ArrayBuffer,
  count: number,
  partOf: (hash: number) => number,
): Generator<RecordBlock> {
  const block = new RecordBlock(memory);
  for (let part = 0; part < count; part++) {
    block.clear();
    records.forEach((_bytes, words, at) => {
      if (partOf(words[(at >> 2) + 2]!) === part) block.add(words, at, sizeAt(words, at));
    });
    yield block;
  }
}

/** A part that is being gathered: some records in memory, and where the others are. */
class Part {
  readonly #gathered = new RecordBlock(new ArrayBuffer(GATHERED));
  readonly #written: { readonly position: number; readonly length: number }[] = [];

  /** Adds a record, and writes to `end` of the scratch space when it must; answers how many bytes that were. */
  add(words: Int32Array, at: number, scratch: ScratchSpace, end: number): number {
    const size = sizeAt(words, at);
    const { filled } = this.#gathered;
    const isFull = filled > 0 && filled + size > GATHERED;
    if (isFull) {
      scratch.write(this.#gathered.bytes.subarray(0, filled), end);
      this.#written.push({ position: end, length: filled });
      this.#gathered.clear();
    }
    this.#gathered.add(words, at, size);
    return isFull ? filled : 0;
  }

  /** Puts all into the block, in the order in which they came. */
  load(block: RecordBlock, scratch: ScratchSpace): RecordBlock {
    block.clear();
    for (const { position, length } of this.#written) {
      const room = block.room(length);
      if (scratch.read(room, position, length) < length) {
        throw new TableFault("the scratch file has lost records");
      }
      block.noteAll(length);
    }
    const { bytes, filled } = this.#gathered;
    block.room(filled).set(bytes.subarray(0, filled));
    block.noteAll(filled);
    return block;
  }
}
