import type { SessionPolicy } from "../../access/policy.ts";
import { clientText } from "../../access/reply/client_text.ts";
import { pauseWhenDue } from "../../base/pause_when_due.ts";
import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { FilterChain } from "../../milter/filter_chain.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import { defer, type Reply, softened } from "../../smtp/reply.ts";
import type { CommandTable } from "./commands.ts";
import type { SmtpdDeps } from "../deps.ts";
import { ErrorCount } from "./error_count.ts";
import { factsOf } from "../facts.ts";
import { Input } from "../input.ts";
import { LocalDataFault } from "../local_data_fault.ts";
import { giveUp, isAtLine, isContent, messageOf, type Phase, transactionOf } from "../phase.ts";
import { proceed } from "./proceed.ts";
import type { CommandReader } from "./read_command.ts";
import { logDataFault } from "../policy/reject_log.ts";
import { RequestDeadline } from "./request_deadline.ts";
import { connectFacts, isSomebody, type SessionFacts } from "../session_facts.ts";
import { CONTENT_SILENCE, HANDSHAKE_PATIENCE, retirementOf, shuttingDown } from "./retirement.ts";
import { SessionOutput } from "./session_output.ts";
import { SessionTranscript } from "./session_transcript.ts";
import type { SessionSettings } from "../session_settings.ts";
import { type After, comesOn, dismissal, endsSession, type StartTls, type Step } from "../step.ts";

/** This much of what has come may be worked on and wait behind that: beyond it the peer keeps the rest. */
const QUEUED_INPUT = 65_536;
/** Replies beyond this leave at once: a client that does not read them is then waited for. */
const MOST_OUTPUT = 16_384;
/** Steps of one client between two looks at the time: others wait for their turn. */
const STRETCH = 64;
// How long a peer may take to close its side after ours.
const LINGER = 5_000;

/** What the sessions of a service share. */
export interface SessionOwner {
  readonly deps: SmtpdDeps;
  readonly commands: CommandTable;
  /** No new mail is taken any more. */
  readonly stopping: boolean;
  /** What can be given up without loss is given up: only content that is coming in is waited for. */
  readonly hurrying: boolean;
  /** A session is over: its slot is free. */
  leave(session: Session): void;
  /** A session does nothing but wait, and can be ended. */
  spare(): void;
  /** Trouble of ours inside a session. */
  fault(error: unknown): void;
}

/**
 * The server's side of one SMTP connection (RFC 5321): it takes one step after the other, each made by the phase that it stands in
 * (`proceed.ts`); input that comes meanwhile waits. The state is small until a message comes: thousands of idle sessions must be
 * cheap.
 */
export class Session implements ConnectionHandler, CommandReader {
  readonly deps: SmtpdDeps;
  readonly commands: CommandTable;
  readonly settings: SessionSettings;
  readonly input = new Input();
  readonly #owner: SessionOwner;
  readonly #connection: Connection;
  readonly #output: SessionOutput;
  readonly #errors: ErrorCount;
  /** Only with smtpd_per_request_deadline. */
  readonly #deadline: RequestDeadline | undefined;
  /** Only where the postmaster wants to hear of sessions (notify_classes). */
  readonly #transcript: SessionTranscript | undefined;
  /** Why it ends, when it does not end well. */
  #reason: string | undefined;
  #phase: Phase = { at: "arriving" };
  #facts: SessionFacts;
  #policy: SessionPolicy;
  #where = "CONNECT";
  #cameOn = 0;
  /** Bytes that the step under way has taken. */
  #taken = 0;
  /** Until the start, as while a step waits for something, input only queues up. */
  #busy = true;
  /** An answer is held back on purpose (login_failure_limit). */
  #held = false;
  /** A handshake is done. */
  #isSecured = false;
  #paused = false;
  #peerEnded = false;
  #closing = false;
  #released = false;

  constructor(owner: SessionOwner, connection: Connection, settings: SessionSettings) {
    this.deps = owner.deps;
    this.commands = owner.commands;
    this.settings = settings;
    this.#owner = owner;
    this.#connection = connection;
    this.#output = new SessionOutput(connection);
    this.#errors = new ErrorCount(settings);
    const { perRequestDeadline, timeout, minDataRate } = settings;
    if (perRequestDeadline) this.#deadline = new RequestDeadline(timeout, minDataRate);
    const { postmaster } = owner.deps;
    if (postmaster !== undefined && postmaster.wanted.size > 0) {
      this.#transcript = new SessionTranscript(postmaster, settings.historyThreshold);
    }
    this.#facts = connectFacts(connection);
    this.#policy = owner.deps.access.open();
  }

  /** Begins the session, once there is a slot for it. */
  start(): void {
    this.#connection.setTimeout(this.settings.timeout);
    this.#cameOn = this.deps.clock.now();
    this.#busy = false;
    this.#run();
  }

  get facts(): SessionFacts {
    return this.#facts;
  }

  get policy(): SessionPolicy {
    return this.#policy;
  }

  get where(): string {
    return this.#where;
  }

  get clientText(): string {
    return clientText(this.#facts.client, this.settings.portLogging);
  }

  begin(where: string): void {
    this.#where = where;
  }

  heard(line: string): void {
    this.#transcript?.heard(line, this.commands);
  }

  learn(facts: SessionFacts): void {
    this.#facts = facts;
  }

  /**
   * Since when the client has not come on: commands that lead nowhere do not count, nor does a handshake that is not done. Undefined
   * in content, and while something is done.
   */
  get idleSince(): number | undefined {
    if (this.#held) return 0;
    if (this.#phase.at === "securing") return this.#cameOn;
    return this.#busy || this.#closing || !isAtLine(this.#phase) ? undefined : this.#cameOn;
  }

  /** Whether the client may keep its slot when others wait for one. */
  isTrusted(): MaybeAsync<boolean> {
    if (isSomebody(this.#facts.login)) return true;
    return this.deps.listed("smtpd_client_event_limit_exceptions", this.#facts.client);
  }

  /** Asks the session to end as the service does. */
  retire(): void {
    if (this.#released) return;
    const how = this.#held ? "now" : this.#retirement;
    if (how === "now") this.#leave();
    else if (how === "unless silent") this.#connection.setTimeout(CONTENT_SILENCE);
    else if (how === "soon") this.deps.clock.after(HANDSHAKE_PATIENCE, () => this.#leaveUnsecured());
  }

  get #retirement(): ReturnType<typeof retirementOf> {
    const { hurrying } = this.#owner;
    return retirementOf(this.#phase, { busy: this.#busy, hurrying, unheard: this.isUnheard });
  }

  #leaveUnsecured(): void {
    if (this.#phase.at === "securing" && !this.#released) this.#leave();
  }

  /** Says goodbye whatever is under way, and hangs up. */
  #leave(reply = shuttingDown(this.settings.myhostname)): void {
    if (!this.isUnheard) this.deps.replied?.(reply.code);
    this.#put(reply);
    this.#output.flush();
    this.#hangUp();
  }

  /** Others wait for the slot of one who is kept waiting for his errors. */
  #leaveHeld(): void {
    this.#logBreak("too many errors");
    this.#leave(defer(421, "4.7.0", `${this.settings.myhostname} Error: too many errors`));
  }

  data(chunk: Buffer): void {
    if (this.#closing) return;
    if (this.#isLate(chunk.length)) return this.timeout();
    this.input.add(chunk);
    if (!this.#waits) return this.#run();
    this.#holdBack();
  }

  end(): void {
    this.#peerEnded = true;
    if (!this.#waits) this.#run();
  }

  drain(): void {
    this.#output.drained();
    if (!this.#busy) this.#run();
  }

  timeout(): void {
    if (this.#closing || this.#phase.at === "securing") return this.#connection.destroy();
    if (this.#held) return this.#leaveHeld();
    if (this.#busy) return;
    if (this.#owner.hurrying) return this.#leave();
    if (this.#output.blocked) return this.#break("timeout");
    this.#logBreak("timeout");
    this.#dismiss(defer(421, "4.4.2", `${this.settings.myhostname} Error: timeout exceeded`));
  }

  close(): void {
    if (this.#isKnown && !this.#closing) this.#logBreak("lost connection");
    this.#release();
  }

  /** Whether the log knows the client. */
  get #isKnown(): boolean {
    return this.#phase.at !== "arriving" && this.#phase.at !== "named";
  }

  get #waits(): boolean {
    return this.#busy || this.#output.blocked;
  }

  /** What cannot be worked on now stays with the peer. */
  #holdBack(): void {
    if (this.#taken + this.input.size <= QUEUED_INPUT || this.#paused) return;
    this.#paused = true;
    this.#connection.pause();
  }

  /** Whether bytes come too late for their request. */
  #isLate(bytes: number): boolean {
    if (this.#deadline === undefined || this.#busy) return false;
    const content = isContent(this.#phase);
    const begins = this.input.size === 0 && !content;
    return this.#deadline.isLate(bytes, this.deps.clock.now(), begins, content);
  }

  /** Works on what has come until it runs out, something must be waited for, or the session ends. */
  #run(): void {
    try {
      for (let steps = 1; !this.#waits && !this.#closing && this.#step(); steps++) {
        if (this.#output.size > MOST_OUTPUT) this.#output.flush();
        if (steps % STRETCH === 0 && !this.#busy) this.#await(pauseWhenDue());
      }
    } catch (error) {
      this.#trouble(error);
    }
    if (this.#released) return;
    this.#output.flush();
    if (this.#waits) return this.#holdBack();
    if (this.#closing) this.#hangUp();
    else if (this.#peerEnded) this.#break("lost connection");
    else if (this.#paused) {
      this.#paused = false;
      this.#connection.resume();
    }
  }

  /** One step; false when there is not enough input for it. */
  #step(): boolean {
    const stops = this.#owner.stopping && this.#retirement === "now";
    const { size } = this.input;
    const step = stops
      ? dismissal(this.#phase, shuttingDown(this.settings.myhostname))
      : proceed(this.#phase, this);
    if (step === undefined) return false;
    this.#taken = size - this.input.size;
    if (this.#phase.at === "authenticating") this.#transcript?.heardResponse();
    this.#await(isPromise(step) ? step.then((made) => this.#take(made)) : this.#take(step));
    return true;
  }

  /** Takes a step: what it says is true, its reply is said, it counts, and what comes after follows. */
  #take(step: Step): MaybeAsync<void> {
    if (this.#released) return this.#giveUp(step.phase);
    if (step.delay !== undefined && step.delay > 0) return this.#takeLate(step, step.delay);
    this.#enter(step.phase);
    if (step.facts !== undefined) this.#facts = step.facts;
    if (this.#facts.milters !== undefined) this.#tellOfEnd(this.#facts.milters);
    if (comesOn(step)) this.#cameOn = this.deps.clock.now();
    this.#errors.before(step);
    this.#transcript?.before(step, this);
    const said = step.reply === undefined ? undefined : this.#say(step.reply);
    return isPromise(said) ? said.then(() => this.#settle(step)) : this.#settle(step);
  }

  async #takeLate(step: Step, delay: number): Promise<void> {
    this.#held = true;
    this.#owner.spare();
    await new Promise<void>((resolve) => void this.deps.clock.after(delay, resolve));
    this.#held = false;
    await this.#take({ ...step, delay: undefined });
  }

  /** A message that the next phase does not have is given up. */
  #enter(phase: Phase): void {
    const message = messageOf(this.#phase);
    if (message !== undefined && messageOf(phase) !== message && phase.at !== "committing") message.abort();
    const filter = transactionOf(this.#phase)?.filter;
    if (filter !== undefined && transactionOf(phase)?.filter !== filter && phase.at !== "committing") {
      filter.close();
    }
    if (phase.at === "ended") this.#where = "END-OF-MESSAGE";
    this.#phase = phase;
  }

  /** Milters that were told of a sender hear that nothing more will come of it, or that all has come. */
  #tellOfEnd(milters: FilterChain): void {
    const { at } = this.#phase;
    if (at !== "committing" && transactionOf(this.#phase) === undefined) milters.endTransaction();
  }

  #settle(step: Step): MaybeAsync<void> {
    this.#errors.after(step);
    this.#transcript?.after(step, this);
    const after = step.after === undefined ? undefined : this.#goOn(step.after);
    if (isPromise(after)) return after;
    if (this.#closing || !this.#errors.isTooMuch) return;
    this.#logBreak("too many errors");
    this.#transcript?.note("protocol");
    return this.#say(defer(421, "4.7.0", `${this.settings.myhostname} Error: too many errors`));
  }

  #goOn(after: After): MaybeAsync<void> {
    switch (after.is) {
      case "close":
        this.#closing = true;
        break;
      case "greet":
        this.#policy = this.deps.access.open();
        this.#phase = { at: "counting" };
        this.#dismissMilters();
        break;
      case "startTls":
        return this.#startTls(after);
      case "handOver":
        return this.#handOver(after.to(this.#connection));
    }
  }

  /** The reply leaves, and only what comes encrypted is looked at. When it fails, the connection closes. */
  async #startTls({ side, atOnce, secured, failed }: StartTls): Promise<void> {
    this.#output.flush();
    const ahead = this.input.takeAll();
    this.input.forget();
    const early = atOnce ? { early: ahead ?? Buffer.alloc(0) } : {};
    // The handshake has a deadline of its own.
    this.#connection.setTimeout(0);
    const limit = this.#owner.stopping ? HANDSHAKE_PATIENCE : Infinity;
    const timeout = Math.min(this.settings.tls.timeout, limit);
    let handshake: TlsFacts;
    try {
      handshake = await this.#connection.startTls({ ...side, ...early, timeout });
    } catch (error) {
      return failed(error);
    }
    this.#isSecured = true;
    this.#connection.setTimeout(this.settings.timeout);
    await this.#take(await secured(handshake));
  }

  /** The connection lives on, without this session. */
  #handOver(handler: ConnectionHandler): void {
    this.#output.flush();
    const rest = this.input.takeAll();
    this.#dismissMilters();
    this.#released = this.#closing = true;
    this.#owner.leave(this);
    this.#connection.setHandler(handler);
    if (rest !== undefined) handler.data(rest);
  }

  /** The client waits for a handshake (smtpd_tls_wrappermode): in the clear it would understand nothing. */
  get isUnheard(): boolean {
    return this.settings.tls.wrapper && !this.#isSecured;
  }

  /** Queues a reply; it leaves with all others once no more input can be worked on. */
  #say(reply: Reply): MaybeAsync<void> {
    const soft = this.settings.softBounce ? softened(reply) : reply;
    const { rejectFooter } = this.deps;
    if (rejectFooter === undefined || soft.code < 400) return this.#send(soft);
    return then(rejectFooter(soft, factsOf(this, this.#phase)), (whole) => this.#send(whole));
  }

  #send(reply: Reply): MaybeAsync<void> {
    this.deps.replied?.(reply.code);
    if (!this.#errors.isSlow) return this.#add(reply);
    this.#output.flush();
    return new Promise((resolve) => {
      this.deps.clock.after(this.settings.errorSleep, () => resolve(this.#add(reply)));
    });
  }

  #put(reply: Reply): void {
    if (this.isUnheard) return;
    this.#output.add(reply);
    this.#transcript?.said(reply);
  }

  #add(reply: Reply): void {
    this.#put(reply);
    if (endsSession(reply)) this.#closing = true;
  }

  /** Ends the session, from outside of its steps, with a reply that tells why. */
  #dismiss(reply: Reply): void {
    this.#await(this.#take(dismissal(this.#phase, reply)));
    this.#run();
  }

  /** Waits for work that is not done yet, and goes on by itself afterwards. */
  #await(work: MaybeAsync<void>): void {
    if (!isPromise(work)) return;
    this.#busy = true;
    this.#output.flush();
    work.then(() => this.#resume(), (error) => this.#fault(error));
  }

  #resume(): void {
    this.#busy = false;
    if (!this.#released) this.#run();
  }

  #fault(error: unknown): void {
    this.#busy = false;
    this.#trouble(error);
    if (this.#released) this.#dismissMilters();
    else this.#run();
  }

  /** Our own trouble: the client is told to come back, nothing is lost (our bug or a broken disk). */
  #trouble(error: unknown): void {
    const data = error instanceof LocalDataFault;
    if (!data) this.#owner.fault(error);
    if (this.#released) return;
    const what = data ? "Server local data error" : "Error: internal trouble, try again later";
    const reply = defer(421, "4.3.0", `${this.settings.myhostname} ${what}`);
    if (data) logDataFault(this, this.#phase, error.message, reply);
    this.deps.replied?.(reply.code);
    this.#transcript?.note(data ? "data" : "software");
    this.#add(reply);
  }

  get #whereText(): string {
    const phase = this.#phase;
    if (phase.at !== "data" && phase.at !== "chunk") return this.#where;
    return `${this.#where} (${phase.content.message.size} bytes)`;
  }

  /** Who goes without QUIT when his message is taken has done no harm: Postfix does not log that either. */
  #logBreak(reason: string): void {
    this.#reason = reason;
    if (reason === "lost connection" && this.#whereText === "END-OF-MESSAGE") return;
    this.deps.log.emit("smtpd", "sessionBroken", {
      reason,
      where: this.#whereText,
      client: this.clientText,
    });
  }

  #break(reason: string): void {
    this.#closing = true;
    if (this.#isKnown) this.#logBreak(reason);
    this.#hangUp();
  }

  /** What the client goes on sending is read and dropped: to close on it would take the last reply from the client. */
  #hangUp(): void {
    this.#release();
    if (this.#paused) this.#connection.resume();
    this.#connection.setTimeout(LINGER);
    this.#connection.end();
  }

  /** Ends what is not done. Milters are asked for their word on a message that is being committed, whoever hangs up. */
  #giveUp(phase: Phase): void {
    giveUp(phase);
    if (phase.at !== "committing") this.#dismissMilters();
  }

  /** The client is gone: to milters as to us. */
  #dismissMilters(): void {
    const { milters, hello } = this.#facts;
    if (milters === undefined) return;
    this.#facts = { ...this.#facts, milters: undefined };
    if (hello !== undefined) milters.abort();
    milters.endTransaction();
    milters.quit();
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#closing = true;
    this.input.takeAll();
    this.#giveUp(this.#phase);
    this.#transcript?.tell(this, this.#reason);
    if (this.#isKnown) {
      const statistics = this.#errors.text();
      this.deps.log.emit("smtpd", "disconnect", { client: this.clientText, statistics });
    }
    this.#owner.leave(this);
  }
}
