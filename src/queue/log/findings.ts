import type { Disk } from "../../platform/file/disk.ts";
import type { MessageIndex } from "../index/message_index.ts";
import type { CheckpointFiles } from "./checkpoint_files.ts";
import type { Expected, LogMark } from "./log_mark.ts";
import type { LogMarks } from "./log_marks.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Segment } from "./segment.ts";
import type { SegmentLog } from "./segment_log.ts";
import type { Gap } from "./segment_reader.ts";

/** Where replay puts what it finds. */
export interface ReplayOptions {
  readonly disk: Disk;
  /** Where the segments are. */
  readonly directory: string;
  readonly index: MessageIndex;
  readonly log: SegmentLog;
  readonly marks: LogMarks;
  readonly checkpoints: CheckpointFiles;
  /** Unit in which headers and marks are laid out. */
  readonly block: number;
  readonly outcomes: Outcomes;
  readonly mode: "read" | "write";
  /** Asked between pieces of bounded size; a promise is waited for. */
  readonly pause?: () => Promise<void> | undefined;
}

export interface Known {
  readonly expected: Map<number, Expected>;
  /** Where what was refused begins. */
  readonly voids: Map<number, number>;
  /** The newest mark. */
  mark: LogMark | undefined;
  /**
   * Checkpoints of segments below this number may be believed: the newest segment with records is always read, as that is where an end in
   * the middle of something shows. 0 when something speaks of damage.
   */
  checkpointsBelow: number;
}

/** Bytes below the mark that are no records any more. */
export interface Damage {
  /** Undefined when the whole file is missing. */
  readonly segment: Segment | undefined;
  readonly number: number;
  readonly offset: number;
  /** Bytes that were there. */
  readonly length: number;
  /** Bytes of them that are there still. */
  readonly present: number;
}

/** What replay found beside the messages. */
export interface Findings {
  readonly damages: Damage[];
  /** Unfinished writes behind the mark. */
  readonly torn: { readonly segment: Segment; readonly gap: Gap }[];
  /** Segments with reserved space, or a write that was never finished or refused, behind their last record. */
  readonly toCut: Segment[];
  /** Message records that were below the mark and are not; undefined when that cannot be known. */
  lostRecords: number | undefined;
  /** Ids of messages that are spoken of but were not found. */
  readonly unknown: Set<string>;
  /** Ids of messages that were not found and are finished. */
  readonly finished: Set<string>;
  /** Messages that left after the newest mark. */
  leftSince: number;
  /** The newest mark. */
  readonly mark: LogMark | undefined;
}

/** What the segments are replayed into. */
export interface ReplayPlace {
  readonly options: ReplayOptions;
  readonly findings: Findings;
}

/** A sum in which one unknown makes all unknown. */
export function addCount(sum: number | undefined, count: number): number | undefined {
  return sum === undefined ? undefined : sum + Math.max(count, 0);
}
