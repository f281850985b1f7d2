import type { ErrorClass } from "./error_class.ts";
import { printReply, type Reply } from "./reply.ts";
import type { ServerReply } from "./reply_reader.ts";

/** Most lines that are kept of a session; Postfix has no such limit. The oldest ones go. */
const MOST_LINES = 1000;
/** Most characters, about. */
const MOST_TEXT = 65_536;
/** What a line costs beside its text, so that many short ones count too; and one of our own, as it is on average. */
const OVERHEAD = 16;
const OUR_LINE = 64;

/** A command, or a reply: ours, which is kept as it is until somebody wants to see it, or a server's. */
type Said = string | Reply | ServerReply;

const linesIn = (said: Said) => typeof said === "string" ? 1 : said.lines.length;

function sizeOf(said: Said): number {
  if (typeof said === "string") return said.length + OVERHEAD;
  if (!("garbage" in said)) return said.lines.length * OUR_LINE;
  let size = 0;
  for (const line of said.lines) size += line.length + OVERHEAD;
  return size;
}

function printed(said: Said): readonly string[] {
  if (typeof said === "string") return [said];
  return "garbage" in said ? said.lines : printReply(said).split("\r\n").slice(0, -1);
}

/** What a postmaster is shown of a session. */
export interface TakenTranscript {
  readonly classes: ReadonlySet<ErrorClass>;
  readonly lines: readonly string[];
}

/**
 * What was said in a session, both ways, and what went wrong in it (notify_classes). Content is not in it, nor may secrets be: who keeps a
 * command leaves them out.
 */
export class Transcript {
  readonly #replies: "In:  " | "Out: ";
  readonly #wanted: ReadonlySet<ErrorClass>;
  #said: Said[] = [];
  #lines = 0;
  #size = 0;
  /** Lines that had to go. */
  #lost = 0;
  #classes: Set<ErrorClass> | undefined;

  constructor(side: "server" | "client", wanted: ReadonlySet<ErrorClass>) {
    this.#replies = side === "server" ? "Out: " : "In:  ";
    this.#wanted = wanted;
  }

  /** Lines so far. */
  get length(): number {
    return this.#lines + this.#lost;
  }

  add(said: Said): void {
    this.#said.push(said);
    this.#lines += linesIn(said);
    this.#size += sizeOf(said);
    while ((this.#lines > MOST_LINES || this.#size > MOST_TEXT) && this.#said.length > 1) this.#forget();
  }

  #forget(): void {
    const oldest = this.#said.shift()!;
    this.#lines -= linesIn(oldest);
    this.#lost += linesIn(oldest);
    this.#size -= sizeOf(oldest);
  }

  /** Something has gone wrong. */
  note(errorClass: ErrorClass): void {
    if (this.#wanted.has(errorClass)) (this.#classes ??= new Set()).add(errorClass);
  }

  /** What went wrong does not matter any more: the message has come in all the same. */
  forgive(): void {
    this.#classes = undefined;
  }

  /** Begins anew; answers what the postmaster wants to see of what was, if anything. */
  take(): TakenTranscript | undefined {
    const [said, lost, classes] = [this.#said, this.#lost, this.#classes];
    this.#said = [];
    this.#lines = this.#size = this.#lost = 0;
    this.#classes = undefined;
    if (classes === undefined || said.length === 0) return undefined;
    const commands = this.#replies === "Out: " ? "In:  " : "Out: ";
    const lines = said.flatMap((each) => {
      const direction = typeof each === "string" ? commands : this.#replies;
      return printed(each).map((line) => direction + line);
    });
    return { classes, lines: lost === 0 ? lines : [`[${lost} earlier lines are left out]`, ...lines] };
  }
}
