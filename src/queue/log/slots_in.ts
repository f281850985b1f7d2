import { pauseWhenDue } from "../../base/pause_when_due.ts";
import type { MessageIndex } from "../index/message_index.ts";
import type { CheckpointFiles } from "./checkpoint_files.ts";
import { RECORD } from "./record.ts";
import type { Segment } from "./segment.ts";

/** Entries between two questions whether to pause. */
const PIECE = 64;

/** Slots whose message record is in a segment, in its order; without a look at other messages where it has a checkpoint. They may change meanwhile. */
export async function slotsIn(
  segment: Segment,
  index: MessageIndex,
  checkpoints: CheckpointFiles,
): Promise<number[]> {
  const checkpoint = await checkpoints.read(segment);
  if (checkpoint?.end !== segment.end) return index.slotsIn(segment.number);
  const slots: number[] = [];
  let count = 0;
  for (const { type, id, offset } of checkpoint.entries()) {
    const pause = ++count % PIECE === 0 ? pauseWhenDue() : undefined;
    if (pause !== undefined) await pause;
    if (type !== RECORD.message || id === undefined) continue;
    const slot = index.findParts(id);
    if (slot < 0 || index.segment[slot] !== segment.number || index.offset[slot] !== offset) continue;
    slots.push(slot);
  }
  checkpoint.release();
  return slots;
}
