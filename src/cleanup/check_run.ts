import { quoteAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { printField } from "../message/header.ts";
import type { Log } from "../observe/log.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";
import { classed, defer, reasonText, type Reply } from "../smtp/reply.ts";
import type { Answer } from "../table/table.ts";
import { type CheckAction, type CheckedKind, parseCheckAction } from "./check_action.ts";
import type { Submission } from "./cleanup.ts";
import { toBytesText } from "./latin1.ts";
import { type Changed, type MessageEdits, UNCHANGED } from "./stage.ts";

const LEFT_OUT: Changed = { text: "" };

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? "" : ` ${name}=<${value}>`;

/** `from CLIENT; from=<s> to=<r> proto=ESMTP helo=<h>`, as in smtpd's lines; a local message comes from `local`. */
export function originText({ origin, sender, recipients }: Submission): string {
  const { clientName, clientAddress } = origin;
  const known = clientAddress === "unknown" ? clientName : `${clientName}[${clientAddress}]`;
  const client = clientAddress === undefined ? "local" : known;
  const to = recipients.at(-1)?.address;
  return `from ${client};${attribute("from", quoteAddress(sender))}` +
    attribute("to", to === undefined ? undefined : quoteAddress(to)) +
    (origin.protocol === undefined ? "" : ` proto=${origin.protocol}`) + attribute("helo", origin.helo);
}

const fieldText = (lines: string) => lines.replaceAll("\r\n", "\n").replace(/\n$/, "");

/** A table's text in place of a header or of body lines, in wire form: a header stays one, the body may have more lines. */
function wireText(kind: CheckedKind, text: string): string {
  const bytes = toBytesText(text);
  return kind === "header"
    ? printField(bytes)
    : `${bytes.replace(/\r?\n|\r/g, "\r\n").replaceAll("\0", "")}\r\n`;
}

/** The checks of one message: their log lines, and what they ask for beyond changing lines. */
export class CheckRun {
  /** No more checks are made: what else is in the message does not matter. */
  over = false;
  #isHeld = false;
  readonly #submission: Submission;
  readonly #message: MessageEdits;
  readonly #log: Log;

  constructor(submission: Submission, message: MessageEdits, log: Log) {
    this.#submission = submission;
    this.#message = message;
    this.#log = log;
  }

  #refuse(reply: Reply): void {
    this.over = true;
    this.#message.refuse(reply);
  }

  /** Holds a header or a body line against a table; the last line end is taken off, those inside become LF. */
  check(kind: CheckedKind, given: string, maps: OpenMaps | undefined): MaybeAsync<Changed> {
    if (maps === undefined || this.over) return UNCHANGED;
    const text = fieldText(given);
    return then(maps.whole.find(text), (answer) => this.#judge(kind, text, maps.title, answer));
  }

  #judge(kind: CheckedKind, text: string, table: string, answer: Answer): Changed {
    if (answer.is === "absent") return UNCHANGED;
    if (answer.is === "found") {
      return this.#carryOut(kind, text, parseCheckAction(answer.value, table, kind));
    }
    const { id } = this.#submission;
    this.#log.note("cleanup", "warning", answer.why);
    this.#log.note(
      "cleanup",
      "warning",
      `${id}: ${table} map lookup problem -- message not accepted, try again later`,
    );
    this.#refuse(classed(defer(451, "4.3.0", "Error: queue file write error"), "resource"));
    return UNCHANGED;
  }

  #tell(verb: string, kind: string, text: string, more: string): void {
    this.#log.emit("cleanup", "contentCheck", {
      id: this.#submission.id,
      verb,
      kind,
      text: text.slice(0, 200),
      origin: originText(this.#submission),
      more,
    });
  }

  #carryOut(kind: CheckedKind, text: string, action: CheckAction): Changed {
    switch (action.is) {
      case "keep":
        return UNCHANGED;
      case "ignore":
        return LEFT_OUT;
      case "flawed":
        this.#log.note("cleanup", "warning", action.why);
        return UNCHANGED;
      case "reject":
        this.#tell("reject", kind, text, reasonText(action.refusal));
        this.#refuse(classed(action.refusal, "policy"));
        return UNCHANGED;
      case "note":
        this.#tell(action.verb, kind, text, action.text);
        return UNCHANGED;
      case "hold":
        if (!this.#isHeld) this.#tell(action.is, kind, text, action.text);
        this.#isHeld = true;
        this.#message.hold();
        return UNCHANGED;
      default:
        this.#tell(action.is, kind, text, action.text);
        return this.#change(kind, action);
    }
  }

  #change(kind: CheckedKind, action: Extract<CheckAction, { readonly text: string }>): Changed {
    switch (action.is) {
      case "discard":
        this.over = true;
        this.#message.discard();
        return UNCHANGED;
      case "pass":
        this.over = true;
        return UNCHANGED;
      case "redirect":
        this.over = true;
        this.#message.redirectTo(action.text);
        return UNCHANGED;
      case "filter":
        this.#message.filterThrough(action.text);
        return UNCHANGED;
      case "bcc":
        this.#message.copyTo(action.text);
        return UNCHANGED;
      case "strip":
        return LEFT_OUT;
      case "replace":
        return { text: wireText(kind, action.text) };
      case "prepend":
        return { before: wireText(kind, action.text) };
      default:
        return UNCHANGED;
    }
  }
}
