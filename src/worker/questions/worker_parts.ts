import type { AddressVerifier } from "../../access/verifier.ts";
import type { Configuration } from "../../config/service.ts";
import type { Log } from "../../observe/log.ts";
import type { ActiveLook } from "../../qmgr/active_look.ts";
import type { QueueId } from "../../queue/envelope.ts";
import type { QueueStore } from "../../queue/store.ts";
import type { Flushes } from "../services/flushes.ts";
import type { WorkerRow, WorkerVerb } from "../protocol/worker_verbs.ts";

/** What a worker answers questions with. */
export interface WorkerParts {
  readonly store: QueueStore;
  /** Sends the metrics of now. */
  readonly snapshot: () => Promise<void>;
  /** Looks into the maildrop now. */
  readonly pickup: () => void;
  /** Lets the queue manager see that something has become due. */
  readonly wake: () => void;
  /** How it stands with a message that is active. */
  readonly look: (id: QueueId) => ActiveLook | undefined;
  readonly flushes: Flushes;
  /** What the worker was started with. */
  readonly configuration: Configuration;
  readonly log: Log;
  /** What address probes have found. */
  readonly known: AddressVerifier["known"];
}

/** Sends rows of an answer on, several at a time; resolves when more are wanted, rejects when nobody waits any more. */
export type SendRows<V extends WorkerVerb> = (rows: readonly WorkerRow<V>[]) => Promise<void>;
