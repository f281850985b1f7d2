import type { Checkpoint } from "./checkpoint.ts";
import type { Known, ReplayOptions } from "./findings.ts";
import type { Segment } from "./segment.ts";

/**
 * The checkpoint of a segment, where all that is known of the log agrees with it. One that is doubted is removed: the segment is
 * read, and another one written.
 */
export async function believedCheckpoint(
  segment: Segment,
  known: Known,
  { checkpoints }: Pick<ReplayOptions, "checkpoints">,
): Promise<Checkpoint | undefined> {
  const mayBe = segment.start > 0 && segment.number < known.checkpointsBelow;
  const checkpoint = mayBe ? await checkpoints.read(segment) : undefined;
  if (checkpoint !== undefined && agrees(checkpoint, segment, known)) return checkpoint;
  checkpoints.drop(segment);
  return undefined;
}

/** Whether it goes to the end of the segment, which is no less than headers and marks say, and not into what was refused. */
function agrees({ end, messages, lastBatch }: Checkpoint, segment: Segment, known: Known): boolean {
  const { number, start, file } = segment;
  const expected = known.expected.get(number);
  if (end < start || end < (expected?.end ?? 0) || lastBatch.offset > end) return false;
  if (end !== file.size() || end > (known.voids.get(number) ?? Infinity)) return false;
  return expected?.end !== end || (expected.messages ?? messages) === messages;
}
