import { quoteAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { printField } from "../message/header.ts";
import type { Log } from "../observe/log.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";
import { defer, reasonText, refuse, type Reply } from "../smtp/reply.ts";
import type { Answer } from "../table/table.ts";
import { type CheckAction, type CheckedKind, parseCheckAction } from "./check_action.ts";
import type { Submission } from "./cleanup.ts";
import { toBytesText } from "./latin1.ts";

/** What becomes of a line or header after a check. Texts are whole lines in wire form, one character a byte. */
export interface Checked {
  /** New text, "" to leave it out; undefined: as it was. */
  readonly text?: string;
  /** Lines to put in front. */
  readonly before?: string;
}

const KEPT: Checked = {};
const LEFT_OUT: Checked = { text: "" };

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? "" : ` ${name}=<${value}>`;

/** `from CLIENT; from=<s> to=<r> proto=ESMTP helo=<h>`, as in smtpd's lines; a local message comes from `local`. */
export function originText({ origin, sender, recipients }: Submission): string {
  const client = origin.clientAddress === undefined
    ? "local"
    : `${origin.clientName}[${origin.clientAddress}]`;
  const to = recipients.at(-1)?.address;
  return `from ${client};${attribute("from", quoteAddress(sender))}` +
    attribute("to", to === undefined ? undefined : quoteAddress(to)) +
    (origin.protocol === undefined ? "" : ` proto=${origin.protocol}`) + attribute("helo", origin.helo);
}

const fieldText = (lines: string) => lines.replaceAll("\r\n", "\n").replace(/\n$/, "");

const TOO_DEEP = refuse(550, "5.6.0", "MIME nesting exceeds safety limit");

/** A table's text in place of a header or of body lines, in wire form: a header stays one, the body may have more lines. */
function wireText(kind: CheckedKind, text: string): string {
  const bytes = toBytesText(text);
  return kind === "header"
    ? printField(bytes)
    : `${bytes.replace(/\r?\n|\r/g, "\r\n").replaceAll("\0", "")}\r\n`;
}

/** Tells what is wrong with a message's MIME structure, and where. */
export function logMimeError(log: Log, submission: Submission, error: string, text: string): void {
  const origin = { ...submission.origin, protocol: undefined, helo: undefined };
  log.emit("cleanup", "mimeError", {
    id: submission.id,
    error,
    text: text.replace(/\r?\n$/, "").replaceAll("\r\n", "\n").slice(0, 100),
    origin: originText({ ...submission, origin }),
  });
}

/** The checks of one message: their log lines, and what they ask for beyond changing lines. */
export class CheckRun {
  refusal: Reply | undefined;
  hold = false;
  discard = false;
  filter: string | undefined;
  redirect: string | undefined;
  readonly bcc: string[] = [];
  /** PASS: what else is in the message does not matter. */
  #passed = false;
  #tooDeep = false;
  readonly #submission: Submission;
  readonly #log: Log;

  constructor(submission: Submission, log: Log) {
    this.#submission = submission;
    this.#log = log;
  }

  /** No more checks are made: after these actions Postfix makes none either. */
  get over(): boolean {
    return this.refusal !== undefined || this.discard || this.redirect !== undefined || this.#passed;
  }

  /** A multipart is nested more deeply than is looked into: with checks set, the message will not do (mime_nesting_limit). */
  tooDeep(field: string): void {
    if (this.#tooDeep) return;
    this.#tooDeep = true;
    logMimeError(this.#log, this.#submission, "MIME nesting exceeds safety limit", fieldText(field));
  }

  /** The content is complete. */
  finish(): void {
    if (this.#tooDeep) this.refusal ??= TOO_DEEP;
  }

  /** Holds a header or a body line against a table; the last line end is taken off, those inside become LF. */
  check(kind: CheckedKind, given: string, maps: OpenMaps | undefined): MaybeAsync<Checked> {
    if (maps === undefined || this.over) return KEPT;
    const text = fieldText(given);
    return then(maps.whole.find(text), (answer) => this.#judge(kind, text, maps.title, answer));
  }

  #judge(kind: CheckedKind, text: string, table: string, answer: Answer): Checked {
    if (answer.is === "absent") return KEPT;
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
    this.refusal = defer(451, "4.3.0", "Error: queue file write error");
    return KEPT;
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

  #carryOut(kind: CheckedKind, text: string, action: CheckAction): Checked {
    switch (action.is) {
      case "keep":
        return KEPT;
      case "ignore":
        return LEFT_OUT;
      case "flawed":
        this.#log.note("cleanup", "warning", action.why);
        return KEPT;
      case "reject":
        this.#tell("reject", kind, text, reasonText(action.refusal));
        this.refusal = action.refusal;
        return KEPT;
      case "note":
        this.#tell(action.verb, kind, text, action.text);
        return KEPT;
      case "hold":
        if (!this.hold && !this.discard) this.#tell(action.is, kind, text, action.text);
        this.hold = true;
        return KEPT;
      default:
        this.#tell(action.is, kind, text, action.text);
        return this.#change(kind, action);
    }
  }

  #change(kind: CheckedKind, action: Extract<CheckAction, { readonly text: string }>): Checked {
    switch (action.is) {
      case "discard":
        this.discard = true;
        return KEPT;
      case "pass":
        this.#passed = true;
        return KEPT;
      case "filter":
      case "redirect":
        this[action.is] = action.text;
        return KEPT;
      case "bcc":
        this.bcc.push(action.text);
        return KEPT;
      case "strip":
        return LEFT_OUT;
      case "replace":
        return { text: wireText(kind, action.text) };
      case "prepend":
        return { before: wireText(kind, action.text) };
      default:
        return KEPT;
    }
  }
}
