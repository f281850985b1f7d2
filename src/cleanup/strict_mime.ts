import { isAscii } from "node:buffer";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import {
  type Entity,
  type MimeEvent,
  MimeWalker,
  type WalkLimits,
  walkLimits,
} from "../message/mime_walker.ts";
import type { Log } from "../observe/log.ts";
import { refuse } from "../smtp/reply.ts";
import { logMimeError } from "./check_run.ts";
import type { Cleanup, Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import { fromBytesText } from "./latin1.ts";

/** The parameters by which mail that breaks MIME's rules is refused. */
export const STRICT_MIME_PARAMETERS = [
  "strict_7bit_headers",
  "strict_8bitmime",
  "strict_8bitmime_body",
  "strict_mime_encoding_domain",
  "disable_mime_input_processing",
  "receive_override_options",
  "header_size_limit",
  "line_length_limit",
  "mime_boundary_length_limit",
  "mime_nesting_limit",
] as const satisfies readonly ParameterName[];

type StrictMimeSettings = SettingsOf<typeof STRICT_MIME_PARAMETERS>;

/** What is wrong, in the order in which one of several is told to the sender. */
const ERRORS = {
  header: "improper use of 8-bit data in message header",
  body: "improper use of 8-bit data in message body",
  domain: "invalid message/* or multipart/* encoding domain",
} as const;

type MimeError = keyof typeof ERRORS;

/** The same cleanup, for mail that keeps MIME's rules, as far as the settings want them kept (strict_8bitmime and its kin). */
export function withStrictMime(cleanup: Cleanup, settings: StrictMimeSettings, log: Log): Cleanup {
  const { strict_8bitmime: both } = settings;
  const wanted: Readonly<Record<MimeError, boolean>> = {
    header: both || settings.strict_7bit_headers,
    body: both || settings.strict_8bitmime_body,
    domain: settings.strict_mime_encoding_domain,
  };
  const off = settings.disable_mime_input_processing ||
    splitList(settings.receive_override_options).includes("no_header_body_checks");
  if (off || !(wanted.header || wanted.body || wanted.domain)) return cleanup;
  const limits = walkLimits(settings, settings.line_length_limit);
  return {
    begin(submission) {
      const message = cleanup.begin(submission);
      return submission.kind === undefined
        ? new StrictMessage(message, submission, { wanted, limits, log })
        : message;
    },
  };
}

interface Strictness {
  readonly wanted: Readonly<Record<MimeError, boolean>>;
  readonly limits: WalkLimits;
  readonly log: Log;
}

/** Looks at a message as it passes; the sender hears at the end what is wrong, as from Postfix. */
class StrictMessage implements IncomingMessage {
  readonly #message: IncomingMessage;
  readonly #submission: Submission;
  readonly #strictness: Strictness;
  readonly #walker: MimeWalker;
  readonly #found = new Set<MimeError>();

  constructor(message: IncomingMessage, submission: Submission, strictness: Strictness) {
    this.#message = message;
    this.#submission = submission;
    this.#strictness = strictness;
    const { limits } = strictness;
    this.#walker = new MimeWalker({ lineEnd: "\r\n", structure: true, limits });
    this.#look(this.#walker.push(Buffer.from(submission.prepend.join(""))));
    this.#walker.beginContent();
  }

  get size(): number {
    return this.#message.size;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#look(this.#walker.push(buffer));
    return this.#message.write(bytes);
  }

  async commit(late?: LateChanges): Promise<Committed> {
    this.#look(this.#walker.end());
    const error = (Object.keys(ERRORS) as MimeError[]).find((each) => this.#found.has(each));
    if (error === undefined) return await this.#message.commit(late);
    this.#message.abort();
    return { is: "refused", reply: refuse(550, "5.6.0", ERRORS[error]) };
  }

  abort(): void {
    this.#message.abort();
  }

  #look(events: readonly MimeEvent[]): void {
    for (const event of events) {
      if (event.is === "field" && /[^\x00-\x7f]/.test(event.text)) this.#report("header", event.text);
      else if (event.is === "body" && event.encoding.name === "7bit" && !isAscii(event.bytes)) {
        this.#report("body", lineWith8Bit(event.bytes));
      } else if (event.is === "headerEnd" && breaksDomain(event.entity)) {
        this.#report("domain", event.entity.encoding.name);
      }
    }
  }

  /** Each kind is told once. */
  #report(error: MimeError, text: string): void {
    if (!this.#strictness.wanted[error] || this.#found.has(error)) return;
    this.#found.add(error);
    logMimeError(this.#strictness.log, this.#submission, ERRORS[error], fromBytesText(text));
  }
}

/** Only what is not encoded may be looked into: `base64` and `quoted-printable` are not for messages and multiparts (RFC 2045 §6.4). */
function breaksDomain({ type, encoding }: Entity): boolean {
  return (type === "multipart" || type === "message") && encoding.name !== encoding.domain;
}

/** The first line with 8-bit data; for the log. */
function lineWith8Bit(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  return /[^\r\n]*[^\x00-\x7f][^\r\n]*/.exec(text)?.[0] ?? "";
}
