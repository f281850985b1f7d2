import { isAscii, isUtf8 } from "node:buffer";
import { clientText } from "../access/reply/client_text.ts";
import type { ClientFacts, SessionPolicy } from "../access/policy.ts";
import { breather } from "../base/breather.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import { defer, printReply, refuse, type Reply } from "../smtp/reply.ts";
import { bareNewlineInCommand } from "./bare_newline.ts";
import { takeChunk } from "./command/bdat.ts";
import { runCommand } from "./commands.ts";
import type { EhloKeyword } from "./ehlo_keywords.ts";
import { connectFacts, factsOf } from "./facts.ts";
import { takeData } from "./command/data.ts";
import { greet } from "./greeting.ts";
import type { House } from "./smtpd_service.ts";
import { Input } from "./input.ts";
import { endsSession, type Outcome, softened } from "./outcome.ts";
import { LocalDataFault } from "./local_data_fault.ts";
import { type Phase, READY } from "./phase.ts";
import { RequestDeadline } from "./request_deadline.ts";
import type { SessionSettings } from "./session_settings.ts";
import { type Counted, Statistics } from "./statistics.ts";

/** What the client said of itself. */
export interface Hello {
  readonly name: string;
  readonly esmtp: boolean;
}

/** Who logged in, by XCLIENT LOGIN (SASL comes with its own command). */
export interface Login {
  readonly method: string;
  readonly username: string;
}

/** What the client's upstream told by XFORWARD. */
export type Forwarded = Readonly<Partial<Record<string, string>>>;

const NONE_WITHHELD: ReadonlySet<EhloKeyword> = new Set();

// While a command waits, this much input may queue up before the socket is paused.
const QUEUED_INPUT = 65_536;
/** Replies beyond this leave at once: a client that does not read them is then waited for. */
const MOST_OUTPUT = 16_384;
/** Commands of one client between two looks at the time: others wait for their turn. */
const STRETCH = 64;
// How long a peer may take to close its side after ours.
const LINGER = 5_000;

/**
 * The server's side of one SMTP connection (RFC 5321). Commands run one after the other; input that comes meanwhile waits.
 * The state is small until a message comes: thousands of idle sessions must be cheap.
 */
export class Session implements ConnectionHandler {
  readonly house: House;
  readonly connection: Connection;
  readonly settings: SessionSettings;
  client: ClientFacts;
  /** The access policy of this client; XCLIENT opens another. */
  policy: SessionPolicy;
  phase: Phase = READY;
  hello: Hello | undefined;
  /** ESMTP after EHLO. */
  esmtp = false;
  login: Login | undefined;
  forwarded: Forwarded | undefined;
  /** XCLIENT DESTADDR and DESTPORT. */
  destination: { readonly address: string; readonly port: number } | undefined;
  /** The last command, for log lines. */
  where = "CONNECT";
  errors = 0;
  junk = 0;
  /** Whether the client has sent ahead where it may not (SMTPD_FLAG_ILL_PIPELINING's role). */
  pipelinedEarly = false;
  /** Refused at the greeting (smtpd_delay_reject = no): everything but QUIT gets 503. */
  denied = false;
  /** EHLO keywords kept from this client: their parameters are unknown to it. */
  withheld: ReadonlySet<EhloKeyword> = NONE_WITHHELD;
  /** The table of keywords could not be asked: EHLO ends the session. */
  keywordsUnknown = false;
  /** The range of addresses that anvil counts it under; undefined for who is not counted (smtpd_client_event_limit_exceptions). */
  countedAs: string | undefined;
  /** What answers the BDAT chunk that is being thrown away. */
  pendingReply: Reply | undefined;
  /** The client is in smtpd_forbid_bare_newline_exclusions, or the check is off. */
  lenientNewlines = false;
  /** Started a session, so that the end is logged. */
  #greeted = false;
  #statistics: Statistics | undefined;
  readonly #input = new Input();
  /** Only with smtpd_per_request_deadline. */
  readonly #deadline: RequestDeadline | undefined;
  #out = "";
  /** Until the start, as while a command waits for something, input only queues up. */
  #busy = true;
  #blocked = false;
  #paused = false;
  #peerEnded = false;
  #closing = false;
  #released = false;

  constructor(house: House, connection: Connection, settings: SessionSettings) {
    this.house = house;
    this.connection = connection;
    this.settings = settings;
    const { perRequestDeadline, timeout, minDataRate } = settings;
    if (perRequestDeadline) this.#deadline = new RequestDeadline(timeout, minDataRate);
    this.client = connectFacts(connection);
    this.policy = house.deps.access.open();
  }

  /** Begins the session, once there is a slot for it. */
  start(): void {
    this.connection.setTimeout(this.settings.timeout);
    this.#busy = false;
    try {
      this.#await(greet(this));
    } catch (error) {
      this.#trouble(error);
    }
    if (!this.#busy) this.#run();
  }

  get clientText(): string {
    return clientText(this.client, this.settings.portLogging);
  }

  /** Bytes that have come and were not looked at yet. */
  get pendingInput(): Buffer | undefined {
    return this.#input.pending;
  }

  /** Whether the session is between messages and waits for the client. */
  get idle(): boolean {
    return this.phase === READY && !this.#busy;
  }

  get statistics(): Statistics {
    return this.#statistics ??= new Statistics();
  }

  /** Nobody is there any more to hear a reply. */
  get gone(): boolean {
    return this.#released;
  }

  /** The log knows the client from now on. */
  greeted(): void {
    this.#greeted = true;
    this.house.deps.log.emit("smtpd", "connect", { client: this.clientText });
  }

  /** Queues a reply; it leaves with all others once no more input can be worked on. */
  say(reply: Reply): MaybeAsync<void> {
    const soft = this.settings.softBounce ? softened(reply) : reply;
    const { rejectFooter } = this.house.deps;
    if (rejectFooter === undefined || soft.code < 400) return this.#send(soft);
    const footed = rejectFooter(soft, factsOf(this));
    return isPromise(footed) ? footed.then((whole) => this.#send(whole)) : this.#send(footed);
  }

  #send(reply: Reply): MaybeAsync<void> {
    this.house.deps.replied?.(reply.code);
    const { softErrorLimit, errorSleep } = this.settings;
    if (this.errors < softErrorLimit || errorSleep === 0) {
      this.#out += printReply(reply);
      if (endsSession(reply)) this.#closing = true;
      return;
    }
    // Tar pit: clients that make errors wait for every answer (smtpd_error_sleep_time).
    this.#flush();
    return new Promise((resolve) => {
      this.house.deps.clock.after(errorSleep, () => {
        this.#out += printReply(reply);
        if (endsSession(reply)) this.#closing = true;
        resolve();
      });
    });
  }

  /** Carries an outcome out: the reply, the counts, the end. */
  finish(outcome: Outcome, counted: Counted): MaybeAsync<void> {
    const said = outcome.reply === undefined ? undefined : this.say(outcome.reply);
    const settle = () => {
      this.statistics.count(counted, outcome.counts === "good");
      if (outcome.counts === "bad") this.errors++;
      if (outcome.hangUp) this.#closing = true;
    };
    return isPromise(said) ? said.then(settle) : settle();
  }

  /** Carries out what became of content: the command itself was counted when it came. */
  finishContent(reply: Reply, counted: Counted): MaybeAsync<void> {
    const said = this.say(reply);
    const settle = () => {
      if (reply.code < 400) this.statistics.succeed(counted);
      else this.errors++;
    };
    return isPromise(said) ? said.then(settle) : settle();
  }

  /** Ends the session after a reply that tells why; `reason` goes to the log. */
  dismiss(reply: Reply, reason: string | undefined): MaybeAsync<void> {
    if (reason !== undefined) {
      this.house.deps.log.emit("smtpd", "sessionBroken", {
        reason,
        where: this.#whereText(),
        client: this.clientText,
      });
    }
    const said = this.say(reply);
    if (isPromise(said)) return said.then(() => void (this.#closing = true));
    this.#closing = true;
  }

  /** Asks the session to end when the message under way is done (shutdown). */
  retire(): void {
    if (!this.#greeted) {
      this.#out = printReply(shuttingDown(this.settings.myhostname));
      this.#flush();
      return this.#hangUp();
    }
    if (this.idle && !this.#closing) {
      this.#await(this.dismiss(shuttingDown(this.settings.myhostname), undefined));
      this.#run();
    }
  }

  data(chunk: Buffer): void {
    if (this.#closing) return;
    if (this.#isLate(chunk.length)) return this.timeout();
    this.#input.add(chunk);
    if (!this.#busy && !this.#blocked) return this.#run();
    this.#holdBack();
  }

  /** What cannot be worked on now stays with the peer. */
  #holdBack(): void {
    if (this.#input.size <= QUEUED_INPUT || this.#paused) return;
    this.#paused = true;
    this.connection.pause();
  }

  /** Whether bytes come too late for their request. */
  #isLate(bytes: number): boolean {
    if (this.#deadline === undefined || this.#busy) return false;
    const begins = this.#input.size === 0 && !this.#inContent;
    return this.#deadline.isLate(bytes, this.house.deps.clock.now(), begins, this.#inContent);
  }

  get #inContent(): boolean {
    return this.phase.at === "data" || (this.phase.at === "bdat" && this.phase.chunk !== undefined);
  }

  end(): void {
    this.#peerEnded = true;
    if (!this.#busy && !this.#blocked) this.#run();
  }

  drain(): void {
    this.#blocked = false;
    if (!this.#busy) this.#run();
  }

  timeout(): void {
    if (this.#closing || !this.#greeted) return this.connection.destroy();
    if (this.#busy) return;
    if (this.#blocked) return this.#break("timeout");
    this.#await(this.dismiss(
      defer(421, "4.4.2", `${this.settings.myhostname} Error: timeout exceeded`),
      "timeout",
    ));
    this.#run();
  }

  close(): void {
    if (this.#greeted && !this.#closing) this.#logBreak("lost connection");
    this.#release();
  }

  /** Works on what has come until it runs out, something must be waited for, or the session ends. */
  #run(): void {
    try {
      for (let steps = 1; !this.#busy && !this.#blocked && !this.#closing && this.#step(); steps++) {
        if (this.#out.length > MOST_OUTPUT) this.#flush();
        if (steps % STRETCH === 0 && !this.#busy) this.#await(breather());
      }
    } catch (error) {
      this.#trouble(error);
    }
    this.#flush();
    if (this.#busy || this.#blocked) return this.#holdBack();
    if (this.#closing) this.#hangUp();
    else if (this.#peerEnded) this.#break("lost connection");
    else if (this.#paused) {
      this.#paused = false;
      this.connection.resume();
    }
  }

  /** One command, or one piece of content; false when there is not enough input for it. */
  #step(): boolean {
    if (this.phase === READY && this.house.stopping) {
      this.#await(this.dismiss(shuttingDown(this.settings.myhostname), undefined));
      return true;
    }
    if (this.#inContent) return this.#takeContent();
    const line = this.#takeLine();
    if (line === undefined) return false;
    this.#await(this.#obey(line));
    return true;
  }

  #takeContent(): boolean {
    const input = this.#input.takeAll();
    if (input === undefined) return false;
    const unread = (rest: Buffer) => this.#input.putBack(rest);
    this.#await(this.phase.at === "data" ? takeData(this, input, unread) : takeChunk(this, input, unread));
    return true;
  }

  async #obeySlowly(work: Promise<void>): Promise<void> {
    await work;
    const after = this.#checkErrors();
    if (isPromise(after)) await after;
  }

  #obey(line: Buffer): MaybeAsync<void> {
    const work = this.#command(line);
    return isPromise(work) ? this.#obeySlowly(work) : this.#checkErrors();
  }

  #command(line: Buffer): MaybeAsync<void> {
    const crlf = line.length > 0 && line[line.length - 1] === 13;
    const bytes = crlf ? line.subarray(0, -1) : line;
    if (!crlf && !this.lenientNewlines && this.settings.bareNewline !== "normalize") {
      const ended = bareNewlineInCommand(this);
      if (ended !== undefined) return ended.refused;
    }
    if (isAscii(bytes)) return runCommand(this, bytes.toString("latin1"));
    // Without SMTPUTF8 a stray byte is a replacement character from here on, which no address may have.
    if (isUtf8(bytes) || !this.settings.smtputf8) return runCommand(this, bytes.toString("utf8"));
    this.errors++;
    return this.say(refuse(500, "5.5.2", "Error: bad UTF-8 syntax"));
  }

  #checkErrors(): MaybeAsync<void> {
    if (this.#closing || this.errors < this.settings.hardErrorLimit) return;
    return this.dismiss(
      defer(421, "4.7.0", `${this.settings.myhostname} Error: too many errors`),
      "too many errors",
    );
  }

  #takeLine(): Buffer | undefined {
    const { line, tooLong } = this.#input.takeLine(this.settings.lineLimit);
    if (tooLong !== undefined) {
      this.house.deps.log.emit("smtpd", "longRequest", {
        client: this.clientText,
        limit: this.settings.lineLimit,
        start: tooLong.toString("latin1", 0, 30),
      });
    }
    return line;
  }

  /** Waits for work that is not done yet, and goes on by itself afterwards. */
  #await(work: MaybeAsync<void>): void {
    if (!isPromise(work)) return;
    this.#busy = true;
    this.#flush();
    work.then(() => this.#resume(), (error) => this.#fault(error));
  }

  #resume(): void {
    this.#busy = false;
    if (this.#released) return;
    this.#run();
  }

  #fault(error: unknown): void {
    this.#busy = false;
    this.#trouble(error);
    if (!this.#released) this.#run();
  }

  /** Our own trouble: the client is told to come back, nothing is lost (our bug or a broken disk). */
  #trouble(error: unknown): void {
    const data = error instanceof LocalDataFault;
    if (!data) this.house.fault(error);
    if (this.#released) return;
    const what = data ? "Server local data error" : "Error: internal trouble, try again later";
    const reply = defer(421, "4.3.0", `${this.settings.myhostname} ${what}`);
    if (data) this.house.logDataFault(this, error.message, reply);
    this.house.deps.replied?.(reply.code);
    this.#out += printReply(reply);
    this.#closing = true;
  }

  #flush(): void {
    if (this.#out === "") return;
    const out = this.#out;
    this.#out = "";
    if (!this.connection.write(out)) this.#blocked = true;
  }

  #whereText(): string {
    const content = this.phase.at === "data" || (this.phase.at === "bdat" && this.phase.chunk !== undefined)
      ? this.phase.content
      : undefined;
    if (content === undefined || this.where === "END-OF-MESSAGE") return this.where;
    return `${this.where} (${content.message.size} bytes)`;
  }

  #logBreak(reason: string): void {
    this.#closing = true;
    this.house.deps.log.emit("smtpd", "sessionBroken", {
      reason,
      where: this.#whereText(),
      client: this.clientText,
    });
  }

  #break(reason: string): void {
    if (this.#greeted) this.#logBreak(reason);
    this.#hangUp();
  }

  #hangUp(): void {
    this.#release();
    this.connection.setTimeout(LINGER);
    this.connection.end();
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#closing = true;
    this.#input.takeAll();
    this.abandonMessage();
    if (this.#greeted) {
      this.house.deps.log.emit("smtpd", "disconnect", {
        client: this.clientText,
        statistics: this.statistics.text(),
      });
    }
    this.house.leave(this);
  }

  /** Drops the message under way, if there is one, and the transaction with it. */
  abandonMessage(): void {
    if (this.phase.at === "data" || this.phase.at === "bdat") this.phase.content?.message.abort();
    this.phase = READY;
  }
}

function shuttingDown(myhostname: string): Reply {
  return defer(421, "4.3.2", `${myhostname} Service shutting down and closing transmission channel`);
}
