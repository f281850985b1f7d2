import { isAscii } from "node:buffer";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { HeaderScan } from "../message/header.ts";
import { scanHeader } from "../message/header.ts";
import type { Envelope } from "../queue/envelope.ts";
import { type Draft, QueueFault } from "../queue/store.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import { defer, refuse, type Reply } from "../smtp/reply.ts";
import type { Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import type { CleanupHouse } from "./create_cleanup.ts";
import { HeaderEditor, type HeaderFindings } from "./header_editor.ts";
import { LineMeter } from "./line_meter.ts";
import { rewrittenSender, settleRecipients } from "./recipients.ts";

const TOO_BIG = refuse(552, "5.3.4", "Error: message file too big");
const TOO_MANY_HOPS = refuse(554, "5.4.0", "Error: too many hops");
const NO_SPACE = defer(452, "4.3.1", "Insufficient system storage");
const WRITE_ERROR = defer(451, "4.3.0", "Error: queue file write error");

// The headers are held in memory until they are complete. No honest message comes near this.
const MOST_HEADER_BYTES = 1_048_576;

/** What the sender is told when the store fails: 452 for lack of space, 451 for anything else. */
function replyToFault(error: unknown): Reply {
  return error instanceof QueueFault && error.full ? NO_SPACE : WRITE_ERROR;
}

/**
 * One message on its way in. The header is gathered and edited as one text; the body goes to the store as it comes. After a
 * refusal the rest is thrown away, and `commit` says why.
 */
export class Incoming implements IncomingMessage {
  readonly #house: CleanupHouse;
  readonly #submission: Submission;
  readonly #draft: Draft;
  readonly #editor: HeaderEditor;
  readonly #lines = new LineMeter();
  /** Content so far as it came, without what is added here. */
  #size = 0;
  /** Header text that is not edited yet; undefined once the body has begun. */
  #header: string | undefined = "";
  #scanned = 0;
  #top = true;
  #findings: HeaderFindings | undefined;
  #eightBit = false;
  #refusal: Reply | undefined;
  /** Why tables could not be asked for a header address. */
  #trouble: string | undefined;

  constructor(house: CleanupHouse, submission: Submission) {
    this.#house = house;
    this.#submission = submission;
    this.#draft = house.store.draft(submission.id);
    const context = submission.completeHeaders ? "local" : "remote";
    const { rewriter, settings } = house;
    const rewrites = !settings.noMappings && rewriter.rewritesHeaders(context);
    this.#editor = new HeaderEditor({
      settings,
      id: submission.id,
      arrival: submission.arrival,
      complete: this.#completes,
      rewrite: rewrites
        ? (role, address) => {
          const given = fromLatin1(address);
          return then(rewriter.header(role, given, context), (made) => latin1(this.#orTrouble(given, made)));
        }
        : undefined,
    });
  }

  #orTrouble(address: string, made: string | { readonly trouble: string }): string {
    if (!isTrouble(made)) return made;
    this.#trouble ??= made.trouble;
    return address;
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    this.#size += bytes.length;
    if (this.#refusal !== undefined) return;
    const limit = this.#house.settings.messageSizeLimit;
    if (limit > 0 && this.#size > limit) return this.#refuse(TOO_BIG);
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.#eightBit && !isAscii(buffer)) this.#eightBit = true;
    return this.#header === undefined ? this.#store(buffer) : this.#gather(buffer);
  }

  #refuse(reply: Reply): void {
    this.#refusal ??= reply;
    this.#header = undefined;
    this.#draft.abort();
  }

  #store(bytes: Buffer): MaybeAsync<void> {
    this.#lines.push(bytes);
    try {
      const written = this.#draft.write(bytes);
      return isPromise(written) ? written.catch((error) => this.#refuse(replyToFault(error))) : written;
    } catch (error) {
      this.#refuse(replyToFault(error));
    }
  }

  #gather(bytes: Buffer): MaybeAsync<void> {
    const before = this.#header!.length;
    this.#header += bytes.toString("latin1");
    const scan = scanHeader(this.#header!, this.#scanned, false, this.#top);
    if (scan.end === undefined && this.#header!.length > MOST_HEADER_BYTES) return this.#refuse(TOO_BIG);
    return this.#take(
      scan,
      scan.end === undefined ? undefined : bytes.subarray(Math.max(scan.end - before, 0)),
    );
  }

  /** Edits the fields that are complete; with `body` the header is over and `body` is what follows it in this piece. */
  #take(scan: HeaderScan, body: Buffer | undefined): MaybeAsync<void> {
    const text = this.#header!;
    if (scan.fields.length > 0) this.#top = scan.fields.at(-1)!.name.startsWith("\0");
    const edited = this.#editor.edit(text, scan.fields);
    return then(edited, (fields) => {
      if (this.#refusal !== undefined) return;
      this.#edited += fields;
      if (body === undefined) {
        this.#header = text.slice(scan.resume);
        this.#scanned = 0;
        return;
      }
      // What was gathered before this piece and is no field belongs to the body too.
      const early = text.length - body.length - scan.end!;
      return this.#endHeader(early > 0 ? Buffer.from(text.slice(scan.end!), "latin1") : body);
    });
  }

  #edited = "";

  get #completes(): boolean {
    return this.#submission.completeHeaders || this.#house.settings.alwaysComplete;
  }

  #endHeader(body: Buffer): MaybeAsync<void> {
    this.#header = undefined;
    const { sender } = this.#submission;
    if (!this.#completes) return this.#writeHeader(this.#editor.finish(sender), body);
    return then(rewrittenSender(this.#house, sender), (rewritten) => {
      const shown = this.#orTrouble(sender, rewritten);
      return this.#writeHeader(this.#editor.finish(shown), body);
    });
  }

  #writeHeader(findings: HeaderFindings, body: Buffer): MaybeAsync<void> {
    this.#findings = findings;
    if (this.#trouble !== undefined) return this.#refuse(WRITE_ERROR);
    const { prepend } = this.#submission;
    const hops = findings.received + prepend.filter((line) => /^received:/i.test(line)).length;
    if (hops >= this.#house.settings.hopcountLimit) {
      this.#house.log.emit("cleanup", "hopCountExceeded", { id: this.#submission.id });
      return this.#refuse(TOO_MANY_HOPS);
    }
    // A body that does not begin with the blank line gets one.
    const blank = body.length > 0 && body[0] !== 13 ? "\r\n" : "";
    const head = Buffer.from(
      `${prependText(prepend)}${this.#edited}${additionsText(findings)}${blank}`,
      "latin1",
    );
    this.#edited = "";
    return then(
      this.#store(head),
      () => body.length === 0 || this.#refusal !== undefined ? undefined : this.#store(body),
    );
  }

  /** The content is complete: headers without a body are over now. */
  #finishContent(): MaybeAsync<void> {
    if (this.#header === undefined) return;
    const scan = scanHeader(this.#header, this.#scanned, true, this.#top);
    const body = Buffer.from(this.#header.slice(scan.end ?? this.#header.length), "latin1");
    return this.#take({ ...scan, end: scan.end ?? this.#header.length }, body);
  }

  #logIds(): void {
    const { log } = this.#house;
    const { id } = this.#submission;
    const { messageId, resentMessageId } = this.#findings!;
    log.emit("cleanup", "messageId", { id, messageId: logged(messageId ?? "<>") });
    if (resentMessageId !== undefined) {
      log.emit("cleanup", "messageId", { id, messageId: logged(resentMessageId), resent: true });
    }
  }

  async commit(late: LateChanges = {}): Promise<Committed> {
    const finished = this.#refusal === undefined ? this.#finishContent() : undefined;
    if (isPromise(finished)) await finished;
    if (this.#refusal !== undefined) return { is: "refused", reply: this.#refusal };
    this.#logIds();
    const settled = settleRecipients(this.#house, this.#submission, late);
    const addressed = isPromise(settled) ? await settled : settled;
    if (addressed.is === "refused") {
      this.#draft.abort();
      return addressed;
    }
    const { id } = this.#submission;
    const size = this.#draft.size;
    if (this.#submission.discard || late.discard) {
      this.#draft.abort();
      return { is: "queued", id, size: this.#size };
    }
    try {
      await this.#draft.commit(this.#envelope(late, addressed));
      return { is: "queued", id, size };
    } catch (error) {
      return { is: "refused", reply: replyToFault(error) };
    }
  }

  #envelope(late: LateChanges, { sender, recipients }: Pick<Envelope, "sender" | "recipients">): Envelope {
    const { id, arrival, origin, ret, envid, eightBit, smtputf8, contentFilter, hold, kind } =
      this.#submission;
    return {
      id,
      arrival,
      sender,
      recipients,
      origin,
      ret,
      envid,
      eightBit: eightBit || this.#eightBit || undefined,
      smtputf8,
      contentFilter: late.contentFilter ?? contentFilter,
      hold: hold || late.hold || undefined,
      kind,
      longestLine: this.#lines.longest,
      messageId: this.#findings!.messageId,
    };
  }

  abort(): void {
    this.#refusal ??= WRITE_ERROR;
    this.#header = undefined;
    this.#draft.abort();
  }
}

/** Line ends inside a value are one character, which the log shows as `?`. */
const logged = (value: string) => fromLatin1(value).replaceAll("\r\n", "\n");

const prependText = (lines: readonly string[]) =>
  lines.length === 1 ? latin1(lines[0]!) : latin1(lines.join(""));

const additionsText = ({ additions }: HeaderFindings) => latin1(additions);

/** Text with letters beyond Latin-1 as its UTF-8 bytes, one character each, like the content around it. */
function latin1(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** The inverse: UTF-8 bytes that stand as one character each. */
function fromLatin1(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text, "latin1").toString("utf8") : text;
}
