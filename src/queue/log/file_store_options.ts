import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { Disk } from "../../platform/file/disk.ts";
import type { Loss } from "../store.ts";
import type { Input } from "./gathering.ts";

/** What happens inside the store; master turns these into log events and metrics. */
export type QueueEvent =
  /** A group commit: how many messages and bytes one fdatasync served, and how long it took. */
  | { readonly is: "sync"; readonly messages: number; readonly bytes: number; readonly milliseconds: number }
  /** No mail is taken until `recovered`. Comes once for each change of the reason. */
  | { readonly is: "fault"; readonly what: string; readonly why: string; readonly full: boolean }
  | { readonly is: "recovered" }
  /** A damaged record was set aside in corrupt/; its neighbours are unharmed. */
  | { readonly is: "corrupt"; readonly where: string; readonly bytes: number; readonly savedAs: string }
  /** What is known of the messages that damage has taken. */
  | ({ readonly is: "lost"; readonly shard: string } & Loss)
  /** An unfinished write behind the mark, as a power failure leaves it; nobody was told that it is stored. */
  | { readonly is: "torn"; readonly where: string; readonly bytes: number; readonly savedAs?: string }
  | {
    readonly is: "replayed";
    readonly messages: number;
    readonly bytes: number;
    readonly milliseconds: number;
  }
  | { readonly is: "adopted"; readonly shard: string; readonly messages: number };

/** Sizes and times of the store; the defaults suit a server, tests make them small. */
export interface QueueLimits {
  /** Content above this many bytes goes to a file of its own while it arrives. */
  readonly spoolThreshold: number;
  /** A segment is closed when it has grown past this. */
  readonly segmentSize: number;
  /** Unit in which a segment's header and marks are laid out; records never share one with them. */
  readonly block: number;
  /** Space is reserved in steps of this size; 0 = never. */
  readonly preallocate: number;
  /** Contents of new messages kept in memory for their first delivery. */
  readonly cacheBytes: number;
  /** The same for bodies that are in a file of their own. */
  readonly bodyBytes: number;
  /** Longest time a message waits for others to share its sync while input keeps coming, in milliseconds. */
  readonly gatherTime: number;
  /** Longest time an outcome waits for its sync when nothing is appended, in milliseconds. */
  readonly outcomeDelay: number;
  /** Bytes moved by compaction in one group commit. */
  readonly compactionStep: number;
  /** The log is compacted when it is larger than `slack` times what lives, plus `slackBytes`. */
  readonly slack: number;
  readonly slackBytes: number;
  /** After this long without an append the log shrinks to what lives. */
  readonly idleTime: number;
  /** No message waits longer than this for its next attempt: what is due later was written before the clock was set back. */
  readonly longestWait: number;
  /** After a failed write nothing is tried again for this long. */
  readonly faultPause: number;
  /** Messages that an operator's move changes before the disk is waited for and others have their turn. */
  readonly moveStep: number;
  /** How often the store looks whether it can take mail, also when none comes, in milliseconds. */
  readonly checkTime: number;
}

/** Defaults, measured with scripts/bench_queue.ts. */
export const QUEUE_LIMITS: QueueLimits = {
  spoolThreshold: 256 * 1024,
  segmentSize: 64 * 1024 * 1024,
  block: 4096,
  preallocate: 4 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
  bodyBytes: 32 * 1024 * 1024,
  gatherTime: 3,
  outcomeDelay: 50,
  compactionStep: 1024 * 1024,
  slack: 2,
  slackBytes: 256 * 1024 * 1024,
  idleTime: 5000,
  longestWait: Infinity,
  faultPause: 1000,
  moveStep: 500,
  checkTime: 5000,
};

/** The parameters of a store. */
export const STORE_PARAMETERS = [
  "queue_minfree",
  "message_size_limit",
  "enable_long_queue_ids",
] as const satisfies readonly ParameterName[];

/** What a file store needs. All but the first four has a default that suits the server. */
export interface FileStoreOptions {
  /** queue_directory (postconf(5)); ours is its subdirectory `mta/`. */
  readonly directory: string;
  /** The shard to open, 0..255; without it the first one that no process owns. */
  readonly shard?: number;
  readonly settings: SettingsOf<typeof STORE_PARAMETERS>;
  readonly report: (event: QueueEvent) => void;
  readonly limits?: Partial<QueueLimits>;
  /** Keep messages by the sites of their recipients, for `retrySite`; default no. */
  readonly bySite?: boolean;
  readonly disk?: Disk;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** The process's network input; tells a busy event loop from an idle one. */
  readonly input?: Input;
  /** 32 random bits. */
  readonly random?: () => number;
  /** Calls once after so many milliseconds, unless the answer is called first. */
  readonly after?: (milliseconds: number, call: () => void) => () => void;
}
