import { count, finite, flag, list, oneOf, optional, record, type Shape, text } from "../../base/shape.ts";

/** A worker as `mta status` shows it. */
export interface WorkerStatus {
  readonly pid?: number;
  readonly index: number;
  readonly state: "starting" | "ready" | "waiting" | "draining";
  /** Seconds since it started. */
  readonly uptime: number;
  readonly restarts: number;
}

/** What `mta status --json` says of the running service. */
export interface ServiceStatus {
  readonly pid: number;
  readonly version: string;
  readonly configuration: string;
  /** Seconds since it started. */
  readonly uptime: number;
  readonly stopping: boolean;
  readonly workers: readonly WorkerStatus[];
  readonly draining: readonly WorkerStatus[];
  /** A few seconds old; absent when no address was asked about yet. */
  readonly addressVerification?: { readonly cached: number; readonly probesPending: number };
}

const TEXT = text(4096);
const MOST_WORKERS = 10_000;

const workerStatus: Shape<WorkerStatus> = record<WorkerStatus>({
  pid: optional(count),
  index: count,
  state: oneOf("starting", "ready", "waiting", "draining"),
  uptime: finite,
  restarts: count,
});

export const serviceStatus: Shape<ServiceStatus> = record<ServiceStatus>({
  pid: count,
  version: TEXT,
  configuration: TEXT,
  uptime: finite,
  stopping: flag,
  workers: list(workerStatus, MOST_WORKERS),
  draining: list(workerStatus, MOST_WORKERS),
  addressVerification: optional(
    record<NonNullable<ServiceStatus["addressVerification"]>>({ cached: count, probesPending: count }),
  ),
});
