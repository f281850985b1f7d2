import { printable } from "../../base/printable.ts";
import type { QueueRow } from "../../master/control/queue_rows.ts";
import type { ListedRecipient } from "../../queue/store.ts";
import { shownAddress } from "./_mailq_text.ts";

const quoted = (text: string): string => JSON.stringify(printable(text));

/** Listings of one JSON object a message and line, as postqueue(1) -j has them, made row by row. */
export class ListingJson {
  readonly #nobody: string;
  readonly #more: boolean;
  #open = false;

  /** With `more` there is what Postfix 3.7 does not tell: next_attempt, and of a recipient orig_address and delay_status. */
  constructor(options: { readonly nobody: string; readonly more: boolean }) {
    this.#nobody = options.nobody;
    this.#more = options.more;
  }

  row(row: QueueRow): string {
    const recipients = row.recipients.map((each) => this.#recipient(each)).join(", ");
    if (row.continued === true) return recipients === "" ? "" : `, ${recipients}`;
    const before = this.end();
    this.#open = true;
    const sender = shownAddress(row.sender === "" ? this.#nobody : row.sender);
    return `${before}{"queue_name": "${row.queue}", "queue_id": "${row.id}", ` +
      `"arrival_time": ${Math.floor(row.arrival / 1000)}, "message_size": ${row.size}, ` +
      `"forced_expire": ${row.forcedExpire}, ${this.#nextAttempt(row)}"sender": ${
        quoted(sender)
      }, "recipients": [${recipients}`;
  }

  #nextAttempt({ due }: QueueRow): string {
    return this.#more && due !== undefined ? `"next_attempt": ${Math.ceil(due / 1000)}, ` : "";
  }

  #recipient({ address, original, why, status }: ListedRecipient): string {
    const more = this.#more ? `"orig_address": ${quoted(shownAddress(original ?? address))}, ` : "";
    const reason = why === undefined || why === "" ? "" : `, "delay_reason": ${quoted(why)}`;
    const code = this.#more && status !== undefined ? `, "delay_status": ${quoted(status)}` : "";
    return `{${more}"address": ${quoted(shownAddress(address))}${reason}${code}}`;
  }

  /** What follows the last row. */
  end(): string {
    const open = this.#open;
    this.#open = false;
    return open ? "]}\n" : "";
  }
}
