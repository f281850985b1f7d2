import { join } from "node:path";

/** Where the control socket is: below queue_directory, so that one instance has one. */
export function controlSocketPath(queueDirectory: string): string {
  return join(queueDirectory, "mta.socket");
}

/** Who may use a verb: the owner (root or the master's own user), or whom a parameter lists. */
export type MayUse = "owner" | "authorized_mailq_users" | "authorized_flush_users";

/** A row of the table of verbs. */
export interface VerbRow {
  readonly mayUse: MayUse;
  /** master answers itself, or asks every worker and puts the answers together: rows one after another, numbers added up. */
  readonly by: "master" | "workers";
}

/**
 * What can be asked over the control socket. Those of the workers act on their shards of the queue; `ids` is a list of
 * queue ids, absent for all messages.
 */
export const VERBS = {
  /** -> {pid, version, uptime, configuration, workers: [...]} */
  status: { mayUse: "authorized_mailq_users", by: "master" },
  /** -> {} once the new workers serve, or an error: then the old ones still serve. */
  reload: { mayUse: "owner", by: "master" },
  /** Drains, then exits. -> {} at once. */
  stop: { mayUse: "owner", by: "master" },
  /** Exits without waiting for what is in flight. */
  abort: { mayUse: "owner", by: "master" },
  /** -> the metrics as text. */
  metrics: { mayUse: "owner", by: "master" },
  /** Rows: QueueListing. {queue?: QueueName} */
  list: { mayUse: "authorized_mailq_users", by: "workers" },
  /** -> QueueCounts, added up. */
  counts: { mayUse: "authorized_mailq_users", by: "workers" },
  /** Makes deferred mail due now: {ids?} -> how many. */
  flush: { mayUse: "authorized_flush_users", by: "workers" },
  /** Deferred mail for a destination: {site: "domain"} -> how many (postqueue -s). */
  flush_site: { mayUse: "authorized_flush_users", by: "workers" },
  /** {ids?} -> how many messages moved (postsuper -h, -H, -e, -d, -r). */
  hold: { mayUse: "owner", by: "workers" },
  unhold: { mayUse: "owner", by: "workers" },
  expire: { mayUse: "owner", by: "workers" },
  delete: { mayUse: "owner", by: "workers" },
  requeue: { mayUse: "owner", by: "workers" },
  /** {id} -> rows: {envelope, states} first, then {content: base64} pieces (postcat -q); no rows when it is not there. */
  cat: { mayUse: "owner", by: "workers" },
  /** A session as `mta explain` is given it, {words: [...]}, by what the service has loaded -> Explanation; one worker answers. */
  explain: { mayUse: "owner", by: "master" },
  /** New mail in the maildrop. */
  pickup: { mayUse: "authorized_flush_users", by: "workers" },
} as const satisfies Readonly<Record<string, VerbRow>>;

/** A verb's name. */
export type Verb = keyof typeof VERBS;

/** A question: one line of JSON. */
export interface ControlRequest {
  readonly verb: Verb;
  readonly args: { readonly [name: string]: unknown };
}

/** A line of the answer; the last one is `done` or `error`. */
export type ControlLine =
  | { readonly row: unknown }
  | { readonly done: unknown }
  | { readonly error: string };

/** Longest request line in bytes: room for a long list of queue ids. */
export const REQUEST_LIMIT = 4 * 1024 * 1024;

/** A request from its line, or why it is none. */
export function parseRequest(line: string): ControlRequest | { readonly malformed: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { malformed: "not JSON" };
  }
  if (typeof value !== "object" || value === null) return { malformed: "not an object" };
  const { verb, args } = value as { verb?: unknown; args?: unknown };
  if (typeof verb !== "string" || !Object.hasOwn(VERBS, verb)) {
    return { malformed: `unknown verb ${JSON.stringify(verb)}` };
  }
  const given = typeof args === "object" && args !== null ? args as Record<string, unknown> : {};
  return { verb: verb as Verb, args: given };
}

/** A line of an answer, or undefined for what is none. */
export function parseControlLine(line: string): ControlLine | undefined {
  try {
    const value = JSON.parse(line);
    if (typeof value !== "object" || value === null) return undefined;
    return "row" in value || "done" in value || typeof value.error === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The line of a request or an answer. */
export function printControlLine(value: ControlRequest | ControlLine): string {
  return `${JSON.stringify(value)}\n`;
}
