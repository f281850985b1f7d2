import type { QueueId } from "./envelope.ts";

/**
 * What local users hand over as files, held where only the mail system reaches it until its message is in the queue. A message that is
 * committed under the id of a file in custody takes its place: whatever happens between, after a restart there is the one or the other.
 * These are the submitters' files; how the store keeps messages is no matter here.
 */
export interface Custody {
  /** Moves a file there, under the id that its message will have. False when there is no such file any more. Throws the system's error. */
  take(path: string, id: QueueId): boolean;
  /** Resolves when what was taken so far is there durably: none of its messages is committed before. Rejects with the system's error. */
  secured(): Promise<void>;
  /** Where the file is that was taken under that id. */
  path(id: QueueId): string;
  /** Removes a file of which no message comes. Harmless when it is gone. */
  drop(id: QueueId): void;
  /** Files of which nobody takes care yet: an earlier process took them, and their messages are not in the queue. Each is told once. */
  left(): readonly QueueId[];
  /** Called when there may be more of them. */
  onLeft(listener: () => void): void;
}
