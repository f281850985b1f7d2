import { isPromise } from "../../base/maybe_async.ts";
import type { ClientSettings } from "./client_settings.ts";
import { breaksCommand, mailCommand, rcptCommand, xforwardCommands } from "./client_commands.ts";
import { type ContentPlan, sendContent } from "./content/content_sender.ts";
import { type Failure, localFailure, replyFailure } from "./failure.ts";
import { lostFailure } from "./opening.ts";
import type { Progress } from "./progress.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";
import { type Heard, isLost, type Lost, type Session } from "./client_session.ts";

/** What a transaction needs to know beside session and progress. */
export interface TransactionContext {
  readonly settings: ClientSettings;
  /** The envelope sender and a recipient as they go out (smtp_generic_maps). */
  readonly outgoing: (address: string) => string;
  /** How the content goes out on this session. */
  readonly plan: (session: Session) => Omit<ContentPlan, "trailer">;
  /** Size announced with SIZE. */
  readonly size: number;
  /** The content must be converted to 7-bit for this session. */
  readonly downgrades: (session: Session) => boolean;
  /** Why this server cannot take the message at all, without asking it. */
  readonly unfit: (session: Session) => Failure | undefined;
  /** The delivery is the last one: success is "delivered", not "relayed" (`flags=X`, lmtp_assume_final). */
  readonly final: boolean;
  /** smtp_send_dummy_mail_auth. */
  readonly dummyMailAuth: boolean;
  /** Ask about the recipients only (address verification). */
  readonly probe: boolean;
  readonly warn: (text: string) => void;
  readonly folded: () => void;
  readonly keep: (session: Session) => boolean;
  /** The server takes no more over this connection. */
  readonly impatient: (session: Session) => void;
  /** The same server is to be tried again in the clear after this: nobody's failure is final. */
  readonly mayRetryInClear: (failure: Failure, session: Session) => boolean;
  readonly now: () => number;
}

/** Where the conversation stands: the first command whose reply is missing. */
const STAGES = {
  xforward: "sending XFORWARD name/address",
  mail: "sending MAIL FROM",
  rcpt: "sending RCPT TO",
  data: "sending DATA command",
  body: "sending message body",
  dot: "sending end of data -- message may be sent more than once",
} as const;

/** What a refused command is called. */
const COMMANDS = {
  mail: "MAIL FROM command",
  rcpt: "RCPT TO command",
  data: "DATA command",
  dot: "end of DATA command",
} as const;

/** `stale`: a kept connection turned out to be dead before it took anything; try another, nothing is lost. */
export type TransactionEnd = "done" | "stale";

/** Sends one message (RFC 5321 §3.3). What becomes of the recipients is in `progress`. */
export async function transact(
  session: Session,
  progress: Progress,
  context: TransactionContext,
): Promise<TransactionEnd> {
  return await new Transaction(session, progress, context).run();
}

class Transaction {
  readonly #session: Session;
  readonly #progress: Progress;
  readonly #context: TransactionContext;
  readonly #positions: readonly number[];
  /** Positions whose RCPT was accepted. */
  readonly #accepted: number[] = [];
  readonly #pipelining: boolean;
  #senderRefused = false;

  constructor(session: Session, progress: Progress, context: TransactionContext) {
    this.#session = session;
    this.#progress = progress;
    this.#context = context;
    this.#positions = progress.left;
    this.#pipelining = session.features.pipelining;
  }

  async run(): Promise<TransactionEnd> {
    if (!this.#isSendable()) {
      this.#progress.completed = true;
      return "done";
    }
    const commands = this.#commands();
    this.#session.endOfDataSent = false;
    this.#progress.transmissionStarts(this.#session);
    if (this.#pipelining) {
      const { xforward, mail, rcpts, data } = commands;
      const written = this.#session.commands([...xforward, mail, ...rcpts, ...data === "" ? [] : [data]]);
      if (isPromise(written)) await written;
    }
    const end = await this.#envelope(commands);
    if (end !== undefined) return end;
    this.#progress.transmissionEnds();
    return "done";
  }

  /** What needs no server to be refused. */
  #isSendable(): boolean {
    const { outgoing } = this.#context;
    const unfit = this.#context.unfit(this.#session);
    if (unfit !== undefined) {
      this.#progress.failAll(unfit, this.#session, { throttle: false });
      return false;
    }
    for (const position of this.#positions) {
      if (!breaksCommand(outgoing(this.#recipient(position).address))) continue;
      this.#progress.failOne(position, localFailure("5.1.3", "bad recipient address syntax"), this.#session);
    }
    return this.#open().length > 0;
  }

  #open(): number[] {
    return this.#positions.filter((position) => this.#progress.isOpen(position));
  }

  #recipient(position: number) {
    return this.#progress.job.recipients[position]!.recipient;
  }

  #commands() {
    const { envelope } = this.#progress.job;
    const { settings, outgoing, size, downgrades, probe, dummyMailAuth } = this.#context;
    const { features, loggedIn } = this.#session;
    const quote = settings.quoteEnvelope;
    return {
      xforward: settings.sendXforward ? xforwardCommands(envelope, features) : [],
      mail: mailCommand(envelope, features, {
        sender: outgoing(envelope.sender),
        size,
        downgraded: downgrades(this.#session),
        quote,
        requireTls: this.#session.promisesTls,
        unauthenticated: dummyMailAuth && loggedIn,
      }),
      rcpts: this.#open().map((position) => {
        const recipient = this.#recipient(position);
        return rcptCommand(recipient, outgoing(recipient.address), features, quote);
      }),
      data: probe && settings.verifyTarget === "rcpt" ? "" : "DATA\r\n",
    };
  }

  /** Sends a command unless all went out together, and hears the answer. */
  async #ask(command: string, timeout: number): Promise<Heard> {
    if (!this.#pipelining) {
      const written = this.#session.command(command);
      if (isPromise(written)) await written;
    }
    const heard = this.#session.reply(timeout);
    const reply = isPromise(heard) ? await heard : heard;
    if (!isLost(reply) && reply.garbage) this.#garbage(reply);
    return reply;
  }

  #garbage(reply: ServerReply): void {
    this.#session.reusable = false;
    const { warn, settings: { program } } = this.#context;
    const { relay, peer } = this.#session;
    const [protocol, list] = program === "smtp"
      ? ["ESMTP", "smtp_discard_ehlo_keyword_address_maps"]
      : ["LMTP", "lmtp_discard_lhlo_keyword_address_maps"];
    const line = reply.lines.find((each) => !/^\d{3}/.test(each)) ?? "";
    warn(`${this.#progress.job.envelope.id}: non-${protocol} response from ${relay}: ${line}`);
    if (!this.#pipelining) return;
    warn(
      `to prevent loss of mail, turn off command pipelining for ${peer.address} with the ${list} parameter`,
    );
  }

  /** MAIL, RCPT and DATA; answers the end when there is nothing to send after them. */
  async #envelope(
    commands: { xforward: readonly string[]; mail: string; rcpts: readonly string[]; data: string },
  ): Promise<TransactionEnd | undefined> {
    const { timeouts } = this.#context.settings;
    const open = this.#open();
    let first = true;
    for (const command of commands.xforward) {
      const reply = await this.#ask(command, timeouts.xforward);
      if (isLost(reply)) return this.#lost(reply, STAGES.xforward, first);
      if (!isGood(reply, 2)) {
        this.#context.warn(`host ${this.#session.relay} said: ${reply.text} (in reply to XFORWARD command)`);
      }
      first = false;
    }
    const mail = await this.#ask(commands.mail, timeouts.mail);
    if (isLost(mail) || (first && mail.code === 421)) {
      if (this.#isReused(first)) {
        if (!isLost(mail)) this.#context.impatient(this.#session);
        return "stale";
      }
      if (isLost(mail)) return this.#lost(mail, STAGES.mail, first);
    }
    if (!isGood(mail, 2)) {
      this.#refuseAll(mail, COMMANDS.mail);
      this.#senderRefused = true;
      if (!this.#pipelining) return await this.#reset();
    }
    for (let i = 0; i < open.length; i++) {
      const reply = await this.#ask(commands.rcpts[i]!, timeouts.rcpt);
      if (isLost(reply)) return this.#lost(reply, STAGES.rcpt, false);
      if (!this.#senderRefused) this.#recipientAnswered(open[i]!, reply);
    }
    if (commands.data === "") return await this.#reset();
    if (this.#accepted.length === 0 && !this.#pipelining) return await this.#reset();
    return await this.#data(commands.data);
  }

  #isReused(first: boolean): boolean {
    return first && this.#session.uses > 1;
  }

  #recipientAnswered(position: number, reply: ServerReply): void {
    if (isGood(reply, 2)) {
      this.#accepted.push(position);
      if (this.#context.probe && this.#context.settings.verifyTarget === "rcpt") {
        this.#progress.deliveredOne(position, reply, this.#session, { final: false });
      }
      return;
    }
    this.#refuseOne(position, reply, COMMANDS.rcpt);
  }

  async #data(command: string): Promise<TransactionEnd | undefined> {
    const reply = await this.#ask(command, this.#context.settings.timeouts.dataInit);
    if (isLost(reply)) return this.#lost(reply, STAGES.data, false);
    if (!isGood(reply, 3)) {
      if (this.#accepted.length > 0) this.#refuseAll(reply, COMMANDS.data);
      return await this.#reset();
    }
    if (this.#context.probe) return this.#probeAnswered(reply);
    return this.#accepted.length > 0 ? await this.#content() : await this.#emptyContent();
  }

  /** The server waits for content that a probe does not have: only hanging up takes DATA back. */
  #probeAnswered(reply: ServerReply): undefined {
    for (const position of this.#accepted) {
      this.#progress.deliveredOne(position, { ...reply, status: "2.0.0" }, this.#session, { final: false });
    }
    this.#progress.completed = true;
    this.#session.abort();
  }

  /** DATA went out before all recipients were refused: an empty message follows (RFC 2920 §3.1). */
  async #emptyContent(): Promise<undefined> {
    const leaving = this.#isLeaving;
    await this.#session.commands([".\r\n", ...leaving ? ["QUIT\r\n"] : []]);
    const heard = await this.#session.reply(this.#context.settings.timeouts.dataDone);
    if (isLost(heard)) this.#session.reusable = false;
    else this.#progress.completed = true;
    if (leaving) this.#session.close();
  }

  /** A server that takes pipelining gets QUIT behind the last command, when it is not needed again (RFC 2920 §3.1). */
  get #isLeaving(): boolean {
    const { settings, keep } = this.#context;
    return settings.program === "smtp" && this.#pipelining && settings.skipQuitResponse &&
      !keep(this.#session);
  }

  async #content(): Promise<TransactionEnd | undefined> {
    const plan = this.#context.plan(this.#session);
    const lent = plan.filters.length === 0 ? plan.content.lend?.() : undefined;
    try {
      return await this.#send({ ...plan, lent });
    } finally {
      lent?.giveBack(this.#session.isFlushed);
    }
  }

  async #send(plan: Omit<ContentPlan, "trailer">): Promise<TransactionEnd | undefined> {
    const { settings } = this.#context;
    const session = this.#session;
    const leaving = this.#isLeaving;
    this.#limitBody();
    const sending = sendContent(session, {
      ...plan,
      trailer: leaving ? "QUIT\r\n" : "",
      handingOver: this.#progress.job.handingOver,
    });
    const sent = isPromise(sending) ? await sending : sending;
    if (sent.folded) this.#context.folded();
    if (sent.failure !== undefined) {
      this.#progress.failAll(sent.failure, session, { throttle: false });
      session.abort();
      return;
    }
    session.transcript?.add(".");
    if (leaving) {
      session.reusable = false;
      session.transcript?.add("QUIT");
    }
    return settings.program === "smtp" ? await this.#endOfData(leaving) : await this.#endOfDataEach();
  }

  /** A body may take as long as its size allows at smtp_min_data_rate, while bytes move. */
  #limitBody(): void {
    const { perRequestDeadline, minDataRate, timeouts } = this.#context.settings;
    const atMinimalRate = 1000 * this.#context.size / Math.max(minDataRate, 1);
    const all = timeouts.dataTransfer + atMinimalRate;
    this.#session.limit(perRequestDeadline ? all : timeouts.dataTransfer, 10 * all);
  }

  /** One answer for all (SMTP). */
  async #endOfData(leaving: boolean): Promise<TransactionEnd | undefined> {
    const reply = await this.#endReply();
    if (isLost(reply)) return this.#lostAfterContent(reply);
    if (!isGood(reply, 2)) this.#refuseAll(reply, COMMANDS.dot);
    else {
      for (const position of this.#accepted) {
        this.#progress.deliveredOne(position, reply, this.#session, { final: false });
      }
    }
    this.#progress.completed = true;
    if (leaving) this.#session.close();
  }

  /** One answer for each accepted recipient (RFC 2033 §4.2). */
  async #endOfDataEach(): Promise<TransactionEnd | undefined> {
    for (const position of this.#accepted) {
      const reply = await this.#endReply();
      if (isLost(reply)) return this.#lostAfterContent(reply);
      if (!isGood(reply, 2)) this.#refuseOne(position, reply, COMMANDS.dot);
      else {
        const final = this.#context.final && !this.#session.features.dsn;
        this.#progress.deliveredOne(position, reply, this.#session, { final });
      }
    }
    this.#progress.completed = true;
  }

  async #endReply(): Promise<Heard> {
    const heard = this.#session.reply(this.#context.settings.timeouts.dataDone);
    const reply = isPromise(heard) ? await heard : heard;
    if (isLost(reply)) return reply;
    if (reply.garbage) this.#garbage(reply);
    // A 221 answers QUIT, or says goodbye: nobody has taken the message.
    return reply.code === 221 ? "lost" : reply;
  }

  #lostAfterContent(heard: Lost): TransactionEnd {
    return this.#lost(heard, this.#session.cutShort ? STAGES.body : STAGES.dot, false);
  }

  #lost(heard: Lost, stage: string, first: boolean): TransactionEnd {
    if (this.#isReused(first)) return "stale";
    const failure = lostFailure(this.#session, heard, stage);
    if (this.#context.mayRetryInClear(failure, this.#session)) this.#progress.finalServer = false;
    this.#progress.failAll(failure, this.#session, { throttle: true });
    return "done";
  }

  #refuseAll(reply: ServerReply, command: string): void {
    const { peer, name } = this.#session;
    this.#session.refused(reply);
    this.#progress.failAll(replyFailure(peer.host, name, reply, command), this.#session, { throttle: false });
  }

  #refuseOne(position: number, reply: ServerReply, command: string): void {
    const { peer, name } = this.#session;
    this.#session.refused(reply);
    this.#progress.failOne(position, replyFailure(peer.host, name, reply, command), this.#session);
  }

  /** Takes the transaction back: nothing was accepted. The connection stays good when RSET is answered; else only a postmaster wants to see that. */
  async #reset(): Promise<undefined> {
    this.#progress.completed = true;
    const session = this.#session;
    if (!session.reusable || !this.#context.keep(session)) session.reusable = false;
    const leaving = this.#isLeaving;
    await session.commands(["RSET\r\n", ...leaving ? ["QUIT\r\n"] : []]);
    if (session.reusable || session.transcript !== undefined) await this.#resetAnswered();
    if (leaving) session.close();
  }

  async #resetAnswered(): Promise<void> {
    const reply = await this.#session.reply(this.#context.settings.timeouts.rset);
    if (isLost(reply) || !isGood(reply, 2)) this.#session.reusable = false;
  }
}

function isGood(reply: ServerReply, hundreds: 2 | 3): boolean {
  return Math.floor(reply.code / 100) === hundreds;
}
