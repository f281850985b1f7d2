import { isAscii } from "node:buffer";
import { assertNever } from "../base/assert_never.ts";
import { breather } from "../base/breather.ts";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { type HeaderPlace, type MimeEvent, MimeWalker } from "../message/mime_walker.ts";
import type { Envelope } from "../queue/envelope.ts";
import { type Draft, QueueFault } from "../queue/store.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import type { Rewritten } from "../rewrite/rewriter.ts";
import { defer, refuse, type Reply } from "../smtp/reply.ts";
import type { Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import type { CleanupHouse } from "./cleanup_deps.ts";
import { CheckRun } from "./check_run.ts";
import { checksFor, type ContentChecks, tableFor } from "./content_checks.ts";
import { cutField } from "./cut_field.ts";
import { type HeaderContext, HeaderEditor, type HeaderFindings } from "./header_editor.ts";
import { fromBytesText, toBytesText } from "./latin1.ts";
import { LineChecker } from "./line_checker.ts";
import { LineMeter } from "./line_meter.ts";
import { rewrittenSender, settleRecipients } from "./recipients.ts";

const TOO_BIG = refuse(552, "5.3.4", "Error: message file too big");
const TOO_MANY_HOPS = refuse(554, "5.4.0", "Error: too many hops");
const NO_SPACE = defer(452, "4.3.1", "Insufficient system storage");
const WRITE_ERROR = defer(451, "4.3.0", "Error: queue file write error");

/** Header fields beyond this go to the store with the body: memory does not grow with them. */
const MOST_HEAD = 262_144;
/** What waits to go to the store together. */
const MOST_WAITING = 65_536;
/** Bodies come in stretches; ones as short as a line are put together. */
const SHORT = 1024;
/** Fields and stretches between two looks at the time. */
const STRETCH = 64;

/** What the sender is told when the store fails: 452 for lack of space, 451 for anything else. */
function replyToFault(error: unknown): Reply {
  return error instanceof QueueFault && error.full ? NO_SPACE : WRITE_ERROR;
}

/**
 * One message on its way in. Header fields are edited one by one; the body goes to the store as it comes, past its checks where
 * there are any. After a refusal the rest is thrown away, and `commit` says why.
 */
export class Incoming implements IncomingMessage {
  readonly #house: CleanupHouse;
  readonly #submission: Submission;
  readonly #draft: Draft;
  readonly #editor: HeaderEditor;
  readonly #lines = new LineMeter();
  /** Content so far as it came, without what is added here. */
  #size = 0;
  /** Undefined once all that comes is body that nobody looks into. */
  #walker: MimeWalker | undefined;
  #started = false;
  #findings: HeaderFindings | undefined;
  #eightBit = false;
  #refusal: Reply | undefined;
  /** Why tables could not be asked for a header address. */
  #trouble: string | undefined;
  /** The header, one character a byte; it stays here until the end. */
  #head = "";
  /** What goes to the store next, one character a byte. */
  #text = "";
  readonly #checks: ContentChecks | undefined;
  readonly #run: CheckRun | undefined;
  readonly #lineChecker: LineChecker | undefined;

  constructor(house: CleanupHouse, submission: Submission) {
    this.#house = house;
    this.#submission = submission;
    this.#draft = house.store.draft(submission.id);
    const checks = this.#checks = checksFor(house.checks, submission.kind);
    if (checks !== undefined) {
      this.#run = new CheckRun(submission, house.log);
      this.#lineChecker = new LineChecker(checks, this.#run);
    }
    this.#walker = new MimeWalker({
      lineEnd: "\r\n",
      structure: checks?.parseMime ?? false,
      wholeLines: checks?.body !== undefined,
      limits: house.settings.walkLimits,
    });
    this.#editor = new HeaderEditor(this.#editing());
  }

  #editing(): HeaderContext {
    const { rewriter, settings } = this.#house;
    const { completeHeaders, id, arrival } = this.#submission;
    const context = completeHeaders ? "local" : "remote";
    const rewrites = !settings.noMappings && rewriter.rewritesHeaders(context);
    return {
      settings,
      id,
      arrival,
      complete: this.#completes,
      rewrite: rewrites
        ? (role, address) => {
          const given = fromBytesText(address);
          return then(rewriter.header(role, given, context), (made) =>
            toBytesText(this.#orTrouble(given, made)));
        }
        : undefined,
      check: this.#fieldCheck("primary"),
    };
  }

  #fieldCheck(place: HeaderPlace): HeaderContext["check"] {
    const checks = this.#checks;
    const run = this.#run;
    if (checks === undefined || run === undefined) return undefined;
    return (name, text) => run.check("header", fromBytesText(text), tableFor(checks, place, name));
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
    return this.#walker === undefined ? this.#store(buffer) : this.#walk(this.#walker, buffer);
  }

  #walk(walker: MimeWalker, bytes: Buffer): MaybeAsync<void> {
    return then(this.#start(walker), () => this.#takeAll(walker.push(bytes), 0));
  }

  /** The header fields put on top go the way of all others. */
  #start(walker: MimeWalker): MaybeAsync<void> {
    if (this.#started) return;
    this.#started = true;
    const top = walker.push(Buffer.from(this.#submission.prepend.join("")));
    walker.beginContent();
    return this.#takeAll(top, 0);
  }

  /** Refused or thrown away: what still comes does not matter. */
  get #over(): boolean {
    if (this.#refusal === undefined && this.#run?.refusal !== undefined) this.#refuse(this.#run.refusal);
    return this.#refusal !== undefined || this.#run?.discard === true;
  }

  #takeAll(events: readonly MimeEvent[], from: number): MaybeAsync<void> {
    for (let i = from; i < events.length && !this.#over; i++) {
      const pause = i > from && i % STRETCH === 0 ? breather() : undefined;
      if (pause !== undefined) return pause.then(() => this.#takeAll(events, i));
      const taken = this.#take(events[i]!);
      if (isPromise(taken)) return taken.then(() => this.#takeAll(events, i + 1));
    }
    if (this.#findings !== undefined || this.#text.length > MOST_WAITING) return this.#storeText();
  }

  #take(event: MimeEvent): MaybeAsync<void> {
    switch (event.is) {
      case "field":
        return then(
          event.place === "primary"
            ? this.#editor.field(event.name, event.text)
            : this.#partField(event.place, event.name, event.text),
          (text) => event.place === "primary" ? this.#addHeader(text) : void (this.#text += text),
        );
      case "headerEnd":
        return event.place === "primary" ? this.#endHeader() : undefined;
      case "body":
        return this.#takeBody(event.bytes, event.begins);
      case "tooDeep":
        return this.#checks?.refusesDeep ? this.#run?.tooDeep(event.text) : undefined;
      default:
        return assertNever(event);
    }
  }

  #addHeader(text: string): void {
    if (this.#text === "" && this.#draft.size === 0 && this.#head.length + text.length <= MOST_HEAD) {
      this.#head += text;
    } else this.#text += text;
  }

  /** Fields of parts and attached messages are checked and otherwise left as they are. */
  #partField(place: HeaderPlace, name: string, text: string): MaybeAsync<string> {
    const whole = cutField(text, this.#house.settings.walkLimits.header);
    const check = this.#fieldCheck(place);
    if (check === undefined) return whole;
    return then(check(name, text), ({ text: changed, before = "" }) => before + (changed ?? whole));
  }

  #takeBody(bytes: Buffer, begins: boolean): MaybeAsync<void> {
    return then(this.#lineChecker?.check(bytes, begins), (changed) => {
      if (changed !== undefined || bytes.length < SHORT) {
        this.#text += changed ?? bytes.toString("latin1");
        return;
      }
      return then(this.#storeText(), () => this.#store(bytes));
    });
  }

  #refuse(reply: Reply): void {
    this.#refusal ??= reply;
    this.#walker = undefined;
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

  get #completes(): boolean {
    return this.#submission.completeHeaders || this.#house.settings.alwaysComplete;
  }

  #endHeader(): MaybeAsync<void> {
    if (this.#checks === undefined) this.#walker = undefined;
    const { sender } = this.#submission;
    if (!this.#completes) return this.#headerComplete(this.#editor.finish(sender));
    return then(rewrittenSender(this.#house, sender), (rewritten) => {
      const shown = this.#orTrouble(sender, rewritten);
      return this.#headerComplete(this.#editor.finish(shown));
    });
  }

  #headerComplete(findings: HeaderFindings): MaybeAsync<void> {
    this.#findings = findings;
    if (this.#trouble !== undefined) return this.#refuseForNow(this.#trouble);
    if (findings.received >= this.#house.settings.hopcountLimit) {
      this.#house.log.emit("cleanup", "hopCountExceeded", { id: this.#submission.id });
      return this.#refuse(TOO_MANY_HOPS);
    }
    this.#logIds(findings);
    this.#addHeader(toBytesText(findings.additions));
  }

  #refuseForNow(why: string): MaybeAsync<void> {
    this.#house.log.note("cleanup", "warning", `${this.#submission.id}: ${why}`);
    return this.#refuse(WRITE_ERROR);
  }

  #storeText(): MaybeAsync<void> {
    if (this.#text === "" || this.#over) return;
    const bytes = Buffer.from(this.#text, "latin1");
    this.#text = "";
    return this.#store(bytes);
  }

  /** The content is complete: a header without a body is over now. */
  #finishContent(): MaybeAsync<void> {
    const walker = this.#walker;
    if (walker === undefined) return;
    const all = then(this.#start(walker), () => this.#takeAll(walker.end(), 0));
    return then(all, () => this.#run?.finish());
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
    const head = Buffer.from(this.#head, "latin1");
    this.#lines.push(head);
    const size = head.length + this.#draft.size;
    try {
      await this.#draft.commit(this.#envelope(changes, addressed), head);
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
    this.#walker = undefined;
    this.#draft.abort();
  }
}

/** Line ends inside a value are one character, which the log shows as `?`. */
const logged = (value: string) => fromBytesText(value).replaceAll("\r\n", "\n");
