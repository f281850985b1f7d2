import { isAscii } from "node:buffer";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import type { Encoding } from "../message/content_type.ts";
import type { Entity } from "../message/mime_walker.ts";
import type { Log } from "../observe/log.ts";
import { classed, refuse } from "../smtp/reply.ts";
import { originText } from "./check_run.ts";
import type { Submission } from "./cleanup.ts";
import { fromBytesText } from "./latin1.ts";
import { type Changed, type HeaderField, type MessageEdits, type Stage, UNCHANGED } from "./stage.ts";

/** The parameters by which mail that breaks MIME's rules is refused. */
export const MIME_RULE_PARAMETERS = [
  "strict_7bit_headers",
  "strict_8bitmime",
  "strict_8bitmime_body",
  "strict_mime_encoding_domain",
  "disable_mime_input_processing",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

/** What is wrong, in the order in which one of several is told to the sender. */
const ERRORS = {
  nesting: "MIME nesting exceeds safety limit",
  header: "improper use of 8-bit data in message header",
  body: "improper use of 8-bit data in message body",
  domain: "invalid message/* or multipart/* encoding domain",
} as const;

type MimeError = keyof typeof ERRORS;

/** The rules that mail has to keep. */
export type WantedRules = Readonly<Record<MimeError, boolean>>;

/** Reads the rules (strict_8bitmime and its kin); the limit of nesting holds where anything else is wanted (mime_nesting_limit). */
export function readMimeRules(settings: SettingsOf<typeof MIME_RULE_PARAMETERS>): WantedRules {
  const off = settings.disable_mime_input_processing ||
    splitList(settings.receive_override_options).includes("no_header_body_checks");
  const both = settings.strict_8bitmime;
  const header = !off && (both || settings.strict_7bit_headers);
  const body = !off && (both || settings.strict_8bitmime_body);
  const domain = !off && settings.strict_mime_encoding_domain;
  return { nesting: header || body || domain, header, body, domain };
}

/** Looks at a message as it passes; the sender hears at the end what is wrong, as from Postfix. */
export class MimeRules implements Stage {
  readonly looksInto = { parts: true, lines: false };
  readonly #submission: Submission;
  readonly #message: MessageEdits;
  readonly #wanted: WantedRules;
  readonly #log: Log;
  readonly #found = new Set<MimeError>();

  constructor(
    submission: Submission,
    message: MessageEdits,
    { wanted, log }: { readonly wanted: WantedRules; readonly log: Log },
  ) {
    this.#submission = submission;
    this.#message = message;
    this.#wanted = wanted;
    this.#log = log;
  }

  field({ text }: HeaderField): Changed {
    if (this.#wanted.header && /[^\x00-\x7f]/.test(text)) this.#report("header", text);
    return UNCHANGED;
  }

  tooDeep(field: string): void {
    this.#report("nesting", field);
  }

  entity(entity: Entity): void {
    if (breaksDomain(entity)) this.#report("domain", entity.encoding.name);
  }

  body(bytes: Buffer, _begins: boolean, encoding: Encoding): undefined {
    if (!this.#wanted.body || encoding.name !== "7bit" || isAscii(bytes)) return;
    this.#report("body", lineWith8Bit(bytes));
  }

  end(): void {
    const error = (Object.keys(ERRORS) as MimeError[]).find((each) => this.#found.has(each));
    if (error !== undefined) this.#message.refuse(classed(refuse(550, "5.6.0", ERRORS[error]), "policy"));
  }

  /** Each kind is told once. */
  #report(error: MimeError, text: string): void {
    if (!this.#wanted[error] || this.#found.has(error)) return;
    this.#found.add(error);
    const origin = { ...this.#submission.origin, protocol: undefined, helo: undefined };
    this.#log.emit("cleanup", "mimeError", {
      id: this.#submission.id,
      error: ERRORS[error],
      text: fromBytesText(text).replace(/\r?\n$/, "").replaceAll("\r\n", "\n").slice(0, 100),
      origin: originText({ ...this.#submission, origin }),
    });
  }
}

/** Only what is not encoded may be looked into (RFC 2045 §6.4); parts of a message are 7-bit (RFC 2046 §5.2.2, §5.2.3). */
function breaksDomain({ type, subtype, encoding }: Entity): boolean {
  if (type === "message" && (subtype === "partial" || subtype === "external-body")) {
    return encoding.domain !== "7bit";
  }
  const isOpen = type === "multipart" || (type === "message" && subtype === "rfc822");
  return isOpen && encoding.name !== encoding.domain;
}

/** The first line with 8-bit data, up to a NUL; for the log. */
function lineWith8Bit(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  return /[^\r\n]*[^\x00-\x7f][^\r\n]*/.exec(text)?.[0].replace(/\0.*/, "") ?? "";
}
