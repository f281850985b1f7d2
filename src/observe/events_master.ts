import { event } from "./event.ts";

/** How a process ended, in master(8)'s words. */
function ending(e: { readonly code?: number; readonly signal?: string; readonly why?: string }): string {
  const why = e.why === undefined ? "" : `: ${e.why}`;
  if (e.signal !== undefined) return `killed by signal ${e.signal}${why}`;
  return e.why === undefined || e.code !== undefined
    ? `exit status ${e.code ?? 0}${why}`
    : `cannot be started${why}`;
}

function lostCount(
  { least, most, known }: { least: number; most: number | undefined; known: number },
): string {
  if (most === 0) return "no message that was in the queue is lost";
  const some = (count: number) => count === 1 ? "1 accepted message is" : `${count} accepted messages are`;
  const ids = known === 0
    ? "no id is known"
    : known === most
    ? "by id:"
    : `${known} that may be among them by id:`;
  if (most === undefined) return `about ${some(least)} lost, as far as the last mark tells; ${ids}`;
  return `${least === most ? "" : `${least} to `}${some(most)} lost; ${ids}`;
}

/** Events of master: start, stop, reload, workers; and the queue's health. */
export const masterEvents = {
  daemonStarted: event<{ version: string; configuration: string }>(
    "info",
    (e) => `daemon started -- version ${e.version}, configuration ${e.configuration}`,
  ),
  reloaded: event<{ version: string; configuration: string }>(
    "info",
    (e) => `reload -- version ${e.version}, configuration ${e.configuration}`,
  ),
  /** The old workers go on as if nothing had been asked. */
  reloadFailed: event<{ why: string }>(
    "error",
    (e) => `reload failed, the running configuration stays in force: ${e.why}`,
  ),
  terminating: event<{ signal: number }>("info", (e) => `terminating on signal ${e.signal}`),
  stopping: event<{ how: "stop" | "abort" }>(
    "info",
    (e) => e.how === "stop" ? "stopping the Postfix mail system" : "aborting the Postfix mail system",
  ),
  workerDied: event<{ pid: number; code?: number; signal?: string; why?: string; restartIn: number }>(
    "warning",
    (e) =>
      `process mta: worker pid ${e.pid} ${ending(e)}` +
      (e.restartIn === 0 ? "" : ` -- throttling, next start in ${e.restartIn / 1000}s`),
  ),
  /** A bug of ours that one command, message or timer ran into; the rest goes on. */
  bug: event<{ what: string }>("panic", (e) => e.what),
  queueFault: event<{ what: string; why: string; full: boolean }>(
    "error",
    (e) => `queue: ${e.why}; new mail is refused with a temporary error until this is over`,
  ),
  queueRecovered: event<Record<never, never>>("info", () => "queue: mail is taken again"),
  queueCorrupt: event<{ where: string; bytes: number; savedAs: string }>(
    "error",
    (e) =>
      `queue: ${e.bytes} bytes are damaged in ${e.where}, ` +
      (e.savedAs === "" ? "nothing of them could be kept" : `kept as ${e.savedAs}`),
  ),
  queueLost: event<{ shard: string; least: number; most: number | undefined; known: number }>(
    "error",
    (e) => `queue: DAMAGE to ${e.shard}: ${lostCount(e)}`,
  ),
  queueLostIds: event<{ shard: string; ids: string }>(
    "error",
    (e) => `queue: lost from ${e.shard}: ${e.ids}`,
  ),
  queueTorn: event<{ where: string; bytes: number }>(
    "info",
    (e) =>
      `queue: unfinished write of ${e.bytes} bytes at the end of ${e.where} dropped; nobody was told that it is stored`,
  ),
  queueReplayed: event<{ messages: number; bytes: number; milliseconds: number }>(
    "info",
    (e) =>
      `queue: ${e.messages} messages (${e.bytes} bytes) found after restart, read in ${
        Math.round(e.milliseconds)
      } ms`,
  ),
  queueAdopted: event<{ shard: string; messages: number }>(
    "info",
    (e) => `queue: ${e.messages} messages taken over from shard ${e.shard}`,
  ),
  /** `kind` is address, network or user. */
  loginBan: event<{ kind: string; what: string; failures: number; seconds: number }>(
    "warning",
    (e) => `too many failed logins: ${e.failures} of ${e.kind} ${e.what}: refused for ${e.seconds} s`,
  ),
} as const;
