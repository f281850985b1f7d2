import { count, list, Misfit, optional, pair, record, type Shape } from "../../base/shape.ts";

/** What a segment's first record says about the log. */
export interface SegmentMeta {
  /** Number and durable length of the one before; written in place of `before` by earlier versions. */
  readonly previous?: readonly [number: number, end: number];
  /** Those before it that hold records: durable length and message records of each, to notice what is cut or missing. */
  readonly before?: readonly (readonly [number: number, end: number, messages: number])[];
  /** Where the block of marks begins and its size; the records follow. */
  readonly marks?: readonly [offset: number, size: number];
  /** Places from which on an earlier segment holds only what was refused: a failed write or sync. */
  readonly voids: readonly (readonly [number: number, from: number])[];
}

const three: Shape<readonly [number, number, number]> = (value) => {
  const found = list(count, 3)(value);
  if (found instanceof Misfit) return found;
  const [first, second, third] = found;
  if (first === undefined || second === undefined || third === undefined) {
    return new Misfit("a list of three");
  }
  return [first, second, third];
};

export const segmentMeta: Shape<SegmentMeta> = record<SegmentMeta>({
  previous: optional(pair(count, count)),
  before: optional(list(three, Infinity)),
  marks: optional(pair(count, count)),
  voids: list(pair(count, count), Infinity),
});
