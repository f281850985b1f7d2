import { systemClock } from "../../base/clock.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService, type ControlAnswer } from "../../master/control/control_client.ts";
import type { Verb } from "../../master/control/control_verbs.ts";
import type { QueueRow } from "../../master/control/queue_rows.ts";
import { ownIds, userById } from "../../platform/process/users.ts";
import { printable } from "../../base/printable.ts";
import { writeErr } from "../../platform/process/this_process.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import { openForReading } from "../../queue/file_store/open_store.ts";
import type { QueueReader } from "../../queue/file_store/read_only.ts";

/** As long as Postfix's tools wait for a reader that has stopped (ipc_timeout), in milliseconds. */
const PATIENCE = 3_600_000;

/** What is to be listed, and to whom. */
export interface ListRequest {
  readonly program: string;
  readonly filter: QueueFilter | undefined;
  readonly row: (row: QueueRow) => void;
  /** Nobody reads any more. */
  readonly signal: AbortSignal;
}

/** Lists the queue: asks the service, or reads the files while it is down. Answers why it could not be, in postqueue(1)'s words. */
export async function listQueue(
  { settings }: LightConfiguration,
  { program, filter, row, signal }: ListRequest,
): Promise<string | undefined> {
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "list",
    args: { ...(filter !== undefined && { filter }) },
    row,
    timeout: PATIENCE,
    signal,
  });
  if (answer.is === "done" || signal.aborted) return undefined;
  if (answer.is === "fault") return refusal(settings, answer);
  return await readDirectly(settings, { program, why: answer.why }, async (queue) => {
    for await (const each of queue.list(wanted(filter ?? {}, systemClock.now()))) {
      if (signal.aborted) return;
      row(each);
    }
  });
}

type Settings = LightConfiguration["settings"];

/** Why the service did not answer, in Postfix's words where it has some. */
export function refusal<V extends Verb>(
  { mail_name: mailName }: Settings,
  { kind, why }: Extract<ControlAnswer<V>, { readonly is: "fault" }>,
): string {
  if (kind !== "forbidden") return `Connect to the ${mailName} showq service: ${why}`;
  const { uid } = ownIds();
  return `User ${userById(uid)?.name ?? "unknown"}(${uid}) is not allowed to view the mail queue`;
}

/** Looks at the files of the queue while the service is down, as far as the caller may read them. */
export async function readDirectly(
  settings: Settings,
  { program, why }: { readonly program: string; readonly why: string },
  look: (queue: QueueReader) => Promise<void>,
): Promise<string | undefined> {
  const down = `(Connect to the ${settings.mail_name} showq service: ${why})`;
  try {
    const queue = await openForReading(settings.queue_directory);
    writeErr(
      `${program}: warning: ${printable(`Mail system is down -- accessing queue directly ${down}`)}\n`,
    );
    try {
      await look(queue);
    } finally {
      queue.close();
    }
  } catch (error) {
    if (errorCode(error) === "EACCES") return `Queue report unavailable - mail system is down ${down}`;
    return systemErrorText(error);
  }
  return undefined;
}
