import { printableBytes } from "../../../base/printable.ts";
import { clockText } from "../clock_text.ts";
import { type QueueFileRecord, RECORD_TYPE, recordName } from "./_record_types.ts";

/** What postcat(1) is to show. */
export interface PostcatView {
  readonly envelope: boolean;
  readonly header: boolean;
  readonly body: boolean;
  /** -o */
  readonly offsets: boolean;
  /** -d */
  readonly types: boolean;
  /** -v: text records are named, padding and pointers shown. */
  readonly verbose: boolean;
  /** -r: records in the order of the file. */
  readonly raw: boolean;
}

const HEADER_LINE = /^[!-9;-~]+[ \t]*:/;
const BLANK = new Set([0x20, 0x09]);

/** What postcat(1) prints of the records of one file, given them one after another. */
export class PostcatText {
  readonly #view: PostcatView;
  readonly #path: string;
  readonly #write: (...parts: readonly (string | Buffer)[]) => void;
  #state: "envelope" | "header" | "body" = "envelope";
  #last = 0;

  constructor(view: PostcatView, path: string, write: (...parts: readonly (string | Buffer)[]) => void) {
    this.#view = view;
    this.#path = path;
    this.#write = write;
  }

  begin(): void {
    if (this.#view.envelope) this.#write(`*** ENVELOPE RECORDS ${this.#path} ***\n`);
  }

  /** Whether text is printed now, or may be later. */
  get wantsText(): boolean {
    return this.#view.header || this.#view.body || this.#view.offsets;
  }

  /** Takes the next record; answers whether more are wanted. */
  record(record: QueueFileRecord): boolean {
    switch (record.type) {
      case RECORD_TYPE.content:
        this.#marker(record, "MESSAGE CONTENTS");
        this.#state = "header";
        return true;
      case RECORD_TYPE.extracted:
        if (this.#isShown && this.#last === RECORD_TYPE.piece) this.#write("\n");
        this.#marker(record, "HEADER EXTRACTED");
        this.#state = "envelope";
        this.#last = 0;
        return this.#view.envelope;
      case RECORD_TYPE.end:
        this.#marker(record, "MESSAGE FILE END");
        return this.#view.raw;
    }
    if (this.#state === "header") this.#endHeader(record);
    const isHidden = !this.#view.verbose &&
      (record.type === RECORD_TYPE.padding || (record.type === RECORD_TYPE.pointer && !this.#view.raw));
    if (this.#isShown && !isHidden) this.#show(record);
    else this.#last = record.type;
    return true;
  }

  get #isShown(): boolean {
    return this.#view[this.#state];
  }

  /** The first line that is no header's begins the body. */
  #endHeader({ type, data }: QueueFileRecord): void {
    const isText = type === RECORD_TYPE.line || type === RECORD_TYPE.piece;
    if (!isText || this.#last === RECORD_TYPE.piece) return;
    if (BLANK.has(data[0] ?? 0) || HEADER_LINE.test(data.toString("latin1"))) return;
    this.#state = "body";
  }

  #marker(record: QueueFileRecord, text: string): void {
    if (this.#view.envelope) this.#write(`${this.#place(record)}*** ${text} ${this.#path} ***\n`);
  }

  #place({ offset, type }: QueueFileRecord): string {
    const { offsets, types } = this.#view;
    return `${offsets ? `${String(offset).padStart(9)} ` : ""}${types ? `${String(type).padStart(3)} ` : ""}`;
  }

  #show(record: QueueFileRecord): void {
    this.#write(this.#place(record));
    if (this.#state === "envelope") this.#write(`${envelopeLine(record)}\n`);
    else this.#text(record);
  }

  #text({ type, data }: QueueFileRecord): void {
    const { verbose, offsets } = this.#view;
    const name = type === RECORD_TYPE.piece ? "unterminated_text" : recordName(type);
    const goesOn = type === RECORD_TYPE.piece && !verbose && !offsets;
    this.#last = goesOn ? type : 0;
    this.#write(verbose ? `${name}: ` : "", data, goesOn ? "" : "\n");
  }
}

const CREATE_TIME = "create_time=";

function envelopeLine({ type, data }: QueueFileRecord): string {
  const text = printableBytes(data);
  const isTime = type === RECORD_TYPE.time || type === RECORD_TYPE.warning;
  if (isTime) return `${recordName(type)}: ${clockText(secondsOf(text) * 1000)}`;
  if (type === RECORD_TYPE.attribute && text.startsWith(CREATE_TIME)) {
    return `create_time: ${clockText(secondsOf(text.slice(CREATE_TIME.length)) * 1000)}`;
  }
  return `${recordName(type)}: ${text}`;
}

const secondsOf = (text: string): number => Number.parseInt(text, 10) || 0;
