import { quoteAddress } from "../../address/address.ts";
import { printable } from "../../base/printable.ts";
import type { QueueRow } from "../../master/control/queue_rows.ts";
import { clockText } from "./clock_text.ts";

/** How wide the columns are, by enable_long_queue_ids. */
interface Columns {
  readonly id: number;
  readonly size: number;
  readonly time: number;
  readonly headings: readonly [id: string, size: string, time: string, rest: string];
}

const SHORT: Columns = {
  id: 11,
  size: 7,
  time: 20,
  headings: ["-Queue ID-", "--Size--", "----Arrival Time----", "-Sender/Recipient-------"],
};
const LONG: Columns = {
  id: 17,
  size: 8,
  time: 19,
  headings: ["----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------"],
};

/** Where the reasons end. */
const REASON_WIDTH = 76;

/** An address as it is shown: quoted where it needs to be, one line, no controls. */
export function shownAddress(address: string): string {
  return printable(quoteAddress(address));
}

/** The listing of mailq(1), made row by row. */
export class MailqText {
  readonly #columns: Columns;
  readonly #nobody: string;
  #count = 0;
  #bytes = 0;
  #reason = "";

  /** `nobody` stands for the null sender (empty_address_recipient). */
  constructor(options: { readonly longIds: boolean; readonly nobody: string }) {
    this.#columns = options.longIds ? LONG : SHORT;
    this.#nobody = options.nobody;
  }

  /** The lines of a message, or of some more recipients of the one before. */
  row(row: QueueRow): string {
    const lines = row.continued === true ? "" : this.#begin(row);
    return lines + row.recipients.map(({ address, why = "" }) => this.#recipient(address, why)).join("");
  }

  #begin({ id, queue, forcedExpire, size, arrival, sender }: QueueRow): string {
    const { id: idWidth, size: sizeWidth, time: timeWidth } = this.#columns;
    const before = this.#count === 0 ? this.#headings() : "\n";
    this.#count++;
    this.#bytes += size;
    this.#reason = "";
    const mark = queue === "active" ? "*" : queue === "hold" ? "!" : "";
    const name = `${id}${mark}${forcedExpire ? "#" : ""}`;
    const time = `${clockText(arrival)}\n`.slice(0, timeWidth);
    const columns = [name.padEnd(idWidth), String(size).padStart(sizeWidth), time];
    return `${before}${columns.join(" ")} ${shownAddress(sender === "" ? this.#nobody : sender)}\n`;
  }

  /** A reason comes once for all in a row that share it; of one who has none among others it is said (showq(8)). */
  #recipient(address: string, why: string): string {
    const { id, size, time } = this.#columns;
    let reason = "";
    if (why !== this.#reason) {
      this.#reason = why;
      const text = why === "" ? "reason unavailable" : printable(why);
      reason = `${" ".repeat(Math.max(0, REASON_WIDTH - Buffer.byteLength(text)))}(${text})\n`;
    }
    return `${reason}${" ".repeat(id + size + time + 3)}${shownAddress(address)}\n`;
  }

  #headings(): string {
    const { id, size, time, headings } = this.#columns;
    return `${headings[0].padEnd(id)} ${headings[1].padStart(size)} ${headings[2].padEnd(time)} ${
      headings[3]
    }\n`;
  }

  /** What follows the last message. */
  end(): string {
    if (this.#count === 0) return "Mail queue is empty\n";
    const kilobytes = Math.floor(this.#bytes / 1024);
    return `\n-- ${kilobytes} Kbytes in ${this.#count} Request${this.#count === 1 ? "" : "s"}.\n`;
  }
}
