import { unescape } from "../base/unescape.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import type { Log } from "../observe/log.ts";
import { classed, refuse } from "../smtp/reply.ts";
import { originText } from "./check_run.ts";
import type { Cleanup, Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import { fromBytesText, toBytesText } from "./latin1.ts";

/** The parameters that name characters which content must not have, or loses. */
export const CHARACTER_PARAMETERS = [
  "message_reject_characters",
  "message_strip_characters",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

type CharacterSettings = SettingsOf<typeof CHARACTER_PARAMETERS>;

const DISALLOWED = classed(refuse(550, "5.7.1", "disallowed character"), "policy");

/** Characters by their bytes. A line end is none: it is no part of a line. */
interface Characters {
  readonly rejected: readonly number[];
  readonly stripped: readonly number[];
}

function bytesOf(setting: string): readonly number[] {
  return [...new Set(Buffer.from(unescape(setting), "latin1"))].filter((byte) => byte !== 10 && byte !== 13);
}

/**
 * The same cleanup, for content without the characters of message_reject_characters (a message with one is refused) and
 * message_strip_characters (they are taken out); mail that is made here passes (cleanup(8)).
 */
export function withCharacterChecks(cleanup: Cleanup, settings: CharacterSettings, log: Log): Cleanup {
  const characters: Characters = {
    rejected: bytesOf(settings.message_reject_characters),
    stripped: bytesOf(settings.message_strip_characters),
  };
  const off = splitList(settings.receive_override_options).includes("no_header_body_checks");
  if (off || characters.rejected.length + characters.stripped.length === 0) return cleanup;
  return {
    begin(submission) {
      if (submission.kind !== undefined) return cleanup.begin(submission);
      const given = submission.prepend.map((line) => Buffer.from(toBytesText(line), "latin1"));
      const prepend = given.map((line) =>
        fromBytesText(without(line, characters.stripped).toString("latin1"))
      );
      const message = new CheckedMessage(
        cleanup.begin({ ...submission, prepend }),
        submission,
        characters,
        log,
      );
      for (const line of given) message.look(line);
      return message;
    },
  };
}

/** The bytes without some of them: they themselves where there are none. Searching is the runtime's own, and quick. */
function without(bytes: Buffer, stripped: readonly number[]): Buffer {
  const present = stripped.filter((byte) => bytes.includes(byte));
  return present.length === 0 ? bytes : Buffer.from(bytes.filter((byte) => !present.includes(byte)));
}

class CheckedMessage implements IncomingMessage {
  readonly #message: IncomingMessage;
  readonly #submission: Submission;
  readonly #characters: Characters;
  readonly #log: Log;
  #refused = false;
  #size = 0;

  constructor(message: IncomingMessage, submission: Submission, characters: Characters, log: Log) {
    this.#message = message;
    this.#submission = submission;
    this.#characters = characters;
    this.#log = log;
  }

  /** As it came: what is taken out counts. */
  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    this.#size += bytes.length;
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.look(buffer);
    if (!this.#refused) return this.#message.write(without(buffer, this.#characters.stripped));
  }

  /** Refuses the message when a piece of it has a character that none may have. */
  look(bytes: Buffer): void {
    if (this.#refused) return;
    const byte = this.#characters.rejected.find((each) => bytes.includes(each));
    if (byte === undefined) return;
    this.#refused = true;
    this.#message.abort();
    this.#log.emit("cleanup", "contentCheck", {
      id: this.#submission.id,
      verb: "reject",
      kind: "content",
      text: lineAround(bytes, bytes.indexOf(byte)),
      origin: originText(this.#submission),
      more: "5.7.1 disallowed character",
    });
  }

  async commit(late?: LateChanges): Promise<Committed> {
    return this.#refused ? { is: "refused", reply: DISALLOWED } : await this.#message.commit(late);
  }

  abort(): void {
    this.#message.abort();
  }
}

/** The line that a byte is in, as far as this piece has it; for the log. */
function lineAround(bytes: Buffer, at: number): string {
  const start = bytes.lastIndexOf(10, at) + 1;
  const end = bytes.indexOf(13, at);
  return fromBytesText(bytes.toString("latin1", start, end < 0 ? undefined : end)).slice(0, 200);
}
