import type { LightConfiguration } from "../../config/read_settings.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import { listQueue } from "./_list_queue.ts";
import { ListingJson } from "./_listing_json.ts";
import { MailqText } from "./_mailq_text.ts";
import { StreamOut } from "./stream_out.ts";

/** How the queue is to be shown. */
export interface ShowRequest {
  readonly program: string;
  /** Text of mailq(1), JSON of postqueue(1) -j, or that with more in it. */
  readonly as: "text" | "json" | "more json";
  readonly filter: QueueFilter | undefined;
}

/** Prints the queue as it comes; answers why it could not be shown, in Postfix's words. */
export async function showQueue(
  configuration: LightConfiguration,
  { program, as, filter }: ShowRequest,
): Promise<string | undefined> {
  const { empty_address_recipient: nobody, enable_long_queue_ids: longIds } = configuration.settings;
  const printer = as === "text"
    ? new MailqText({ longIds, nobody })
    : new ListingJson({ nobody, more: as === "more json" });
  const out = new StreamOut();
  const { signal } = out;
  const why = await listQueue(configuration, {
    program,
    filter,
    row: (row) => out.write(printer.row(row)),
    signal,
  });
  if (why === undefined) out.write(printer.end());
  out.flush();
  return why;
}
