import { isAscii } from "node:buffer";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { HeaderScan } from "../message/header.ts";
import { scanHeader } from "../message/header.ts";
import type { Envelope } from "../queue/envelope.ts";
import { type Draft, QueueFault } from "../queue/store.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import type { Rewritten } from "../rewrite/rewriter.ts";
import { defer, refuse, type Reply } from "../smtp/reply.ts";
import type { Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import type { CleanupHouse } from "./cleanup_deps.ts";
import { BodyChecker } from "./body_checker.ts";
import { CheckRun } from "./check_run.ts";
import { checksFor, type ContentChecks, isMimeHeader } from "./content_checks.ts";
import { type HeaderContext, HeaderEditor, type HeaderFindings } from "./header_editor.ts";
import { fromBytesText, toBytesText } from "./latin1.ts";
import { LineMeter } from "./line_meter.ts";
import { PendingHeader } from "./pending_header.ts";
import { rewrittenSender, settleRecipients } from "./recipients.ts";

const TOO_BIG = refuse(552, "5.3.4", "Error: message file too big");
const TOO_MANY_HOPS = refuse(554, "5.4.0", "Error: too many hops");
const NO_SPACE = defer(452, "4.3.1", "Insufficient system storage");
const WRITE_ERROR = defer(451, "4.3.0", "Error: queue file write error");

/** A header field is held in memory until it is complete. No honest one comes near this. */
const MOST_FIELD_BYTES = 1_048_576;
/** Edited headers beyond this go to the store before the last one has come: memory does not grow with them. */
const MOST_EDITED = 65_536;

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
  #header: PendingHeader | undefined = new PendingHeader();
  #top = true;
  #findings: HeaderFindings | undefined;
  #eightBit = false;
  #refusal: Reply | undefined;
  /** Why tables could not be asked for a header address. */
  #trouble: string | undefined;
  #edited = "";
  readonly #checks: ContentChecks | undefined;
  readonly #run: CheckRun | undefined;
  /** The headers put on top; with content checks they are checked like the others. */
  #prepended: MaybeAsync<string>;
  #body: BodyChecker | undefined;

  constructor(house: CleanupHouse, submission: Submission) {
    this.#house = house;
    this.#submission = submission;
    this.#draft = house.store.draft(submission.id);
    this.#checks = checksFor(house.checks, submission.kind);
    this.#run = this.#checks === undefined ? undefined : new CheckRun(submission, house.log);
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
          const given = fromBytesText(address);
          return then(rewriter.header(role, given, context), (made) =>
            toBytesText(this.#orTrouble(given, made)));
        }
        : undefined,
      check: this.#checkHeader(),
    });
    const top = toBytesText(submission.prepend.join(""));
    this.#prepended = this.#run === undefined
      ? top
      : this.#editor.edit(top, scanHeader(top, 0, true, false).fields);
  }

  #checkHeader(): HeaderContext["check"] {
    const checks = this.#checks;
    const run = this.#run;
    if (checks === undefined || run === undefined) return undefined;
    return (name, text) => {
      const maps = checks.parseMime && isMimeHeader(name) ? checks.mime : checks.header;
      return run.check("header", fromBytesText(text), maps);
    };
  }

  #orTrouble(address: string, made: Rewritten): string {
    if (!isTrouble(made)) return made;
    this.#trouble ??= made.trouble;
    return address;
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    this.#size += bytes.length;
    if (this.#over) return;
    const limit = this.#house.settings.messageSizeLimit;
    if (limit > 0 && this.#size > limit) return this.#refuse(TOO_BIG);
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.#eightBit && !isAscii(buffer)) this.#eightBit = true;
    return this.#header === undefined ? this.#storeBody(buffer) : this.#gather(this.#header, buffer);
  }

  /** Refused or thrown away: what still comes does not matter. */
  get #over(): boolean {
    if (this.#refusal === undefined && this.#run?.refusal !== undefined) this.#refuse(this.#run.refusal);
    return this.#refusal !== undefined || this.#run?.discard === true;
  }

  #storeBody(bytes: Buffer): MaybeAsync<void> {
    if (this.#body === undefined) return this.#store(bytes);
    return then(this.#body.push(bytes), (checked) => this.#over ? undefined : this.#store(checked));
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

  #gather(header: PendingHeader, bytes: Buffer): MaybeAsync<void> {
    const before = header.length;
    const ripe = header.add(bytes);
    const text = ripe ? header.text : "";
    const scan = ripe ? scanHeader(text, 0, false, this.#top) : undefined;
    if (scan?.end === undefined && header.length > MOST_FIELD_BYTES) return this.#refuse(TOO_BIG);
    if (scan === undefined) return;
    return this.#take(
      text,
      scan,
      scan.end === undefined ? undefined : bytes.subarray(Math.max(scan.end - before, 0)),
    );
  }

  /** Edits the fields that are complete; with `body` the header is over and `body` is what follows it in this piece. */
  #take(text: string, scan: HeaderScan, body: Buffer | undefined): MaybeAsync<void> {
    if (scan.fields.length > 0) this.#top = scan.fields.at(-1)!.name.startsWith("\0");
    const edited = this.#editor.edit(text, scan.fields);
    return then(edited, (fields) => {
      if (this.#over) return;
      this.#edited += fields;
      if (body === undefined) {
        this.#header?.drop(scan.resume);
        return this.#edited.length > MOST_EDITED ? this.#storeEdited("") : undefined;
      }
      // What was gathered before this piece and is no field belongs to the body too.
      const early = text.length - body.length - scan.end!;
      return this.#endHeader(early > 0 ? Buffer.from(text.slice(scan.end!), "latin1") : body);
    });
  }

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
    if (this.#trouble !== undefined) return this.#refuseForNow(this.#trouble);
    const { house, submission } = { house: this.#house, submission: this.#submission };
    // With checks the headers on top went through the editor, which has counted them.
    const ours = this.#run === undefined
      ? submission.prepend.filter((line) => /^received:/i.test(line)).length
      : 0;
    if (findings.received + ours >= house.settings.hopcountLimit) {
      house.log.emit("cleanup", "hopCountExceeded", { id: submission.id });
      return this.#refuse(TOO_MANY_HOPS);
    }
    this.#logIds(findings);
    if (this.#checks !== undefined && this.#run !== undefined) {
      this.#body = new BodyChecker(this.#checks, this.#run, findings.contentType);
    }
    // A body that does not begin with the blank line gets one.
    const blank = body.length > 0 && body[0] !== 13 ? "\r\n" : "";
    return then(
      this.#storeEdited(`${toBytesText(findings.additions)}${blank}`),
      () => body.length === 0 || this.#over ? undefined : this.#storeBody(body),
    );
  }

  #refuseForNow(why: string): MaybeAsync<void> {
    this.#house.log.note("cleanup", "warning", `${this.#submission.id}: ${why}`);
    return this.#refuse(WRITE_ERROR);
  }

  /** Stores the edited headers that have come together, once those on top of them, and what follows. */
  #storeEdited(more: string): MaybeAsync<void> {
    return then(this.#prepended, (top) => {
      if (this.#over) return;
      const head = `${top}${this.#edited}${more}`;
      this.#edited = this.#prepended = "";
      return this.#store(Buffer.from(head, "latin1"));
    });
  }

  /** The content is complete: headers without a body are over now. */
  #finishContent(): MaybeAsync<void> {
    if (this.#header === undefined) return this.#finishBody();
    const { text } = this.#header;
    const scan = scanHeader(text, 0, true, this.#top);
    const end = scan.end ?? text.length;
    return then(
      this.#take(text, { ...scan, end }, Buffer.from(text.slice(end), "latin1")),
      () => this.#finishBody(),
    );
  }

  #finishBody(): MaybeAsync<void> {
    if (this.#body === undefined || this.#over) return;
    return then(this.#body.finish(), (rest) => {
      if (!this.#over && rest.length > 0) return this.#store(rest);
    });
  }

  #logIds({ messageId, resentMessageId }: HeaderFindings): void {
    const { log } = this.#house;
    const { id } = this.#submission;
    log.emit("cleanup", "messageId", { id, messageId: logged(messageId ?? "<>") });
    if (resentMessageId !== undefined) {
      log.emit("cleanup", "messageId", { id, messageId: logged(resentMessageId), resent: true });
    }
  }

  async commit(late: LateChanges = {}): Promise<Committed> {
    const finished = this.#over ? undefined : this.#finishContent();
    if (isPromise(finished)) await finished;
    const { id } = this.#submission;
    if (this.#over && this.#refusal !== undefined) return { is: "refused", reply: this.#refusal };
    if (this.#submission.discard || late.discard || this.#run?.discard) {
      this.#draft.abort();
      return { is: "queued", id, size: this.#size };
    }
    const changes = this.#allChanges(late);
    const settled = settleRecipients(this.#house, this.#submission, changes);
    const addressed = isPromise(settled) ? await settled : settled;
    if (addressed.is === "refused") {
      this.#draft.abort();
      return addressed;
    }
    const size = this.#draft.size;
    try {
      await this.#draft.commit(this.#envelope(changes, addressed));
      return { is: "queued", id, size };
    } catch (error) {
      return { is: "refused", reply: replyToFault(error) };
    }
  }

  /** What restrictions asked for at the end of data, and what content checks asked for after them. */
  #allChanges(late: LateChanges): LateChanges {
    const run = this.#run;
    if (run === undefined) return late;
    return {
      hold: late.hold || run.hold,
      redirect: run.redirect ?? late.redirect,
      contentFilter: run.filter ?? late.contentFilter,
      bcc: [...late.bcc ?? [], ...run.bcc],
    };
  }

  #envelope(
    late: LateChanges,
    { sender, recipients, expanded }: Pick<Envelope, "sender" | "recipients" | "expanded">,
  ): Envelope {
    const { id, arrival, origin, ret, envid, eightBit, smtputf8, contentFilter, hold, kind } =
      this.#submission;
    return {
      id,
      arrival,
      sender,
      recipients,
      expanded,
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
const logged = (value: string) => fromBytesText(value).replaceAll("\r\n", "\n");
