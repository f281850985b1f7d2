import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ConnectTo } from "../platform/socket/connection.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { parseEndpoint } from "../table/remote/server_endpoint.ts";
import { Channel, type ChannelWorld } from "./channel.ts";
import { type Command, printCommand } from "./command.ts";
import { EditRun, type MessageChanges } from "./edit_run.ts";
import type { FilterSettings } from "./filter_settings.ts";
import { agree, type Agreement, type MacroStage, type Offer, readOffer } from "./negotiation.ts";
import type { Packet } from "./packet_reader.ts";
import {
  ALL_ACTIONS,
  COMMAND_NAMES,
  type CommandLetter,
  COMMANDS,
  EVENTS,
  responseName,
} from "./protocol.ts";
import { EDITS, isResponse, parseResponse, type Response } from "./response.ts";
import {
  DISCARD,
  HOLD,
  readReplyCode,
  REJECTED,
  SHUTDOWN,
  TRY_AGAIN,
  type Verdict,
  whenMisconfigured,
  whenUnreachable,
} from "./verdict.ts";

/** Hears of trouble with a filter, and whether it was with a message's content. */
export type Warn = (text: string, inContent: boolean) => void;

/** What filters share: the world, where trouble is told, and what main.cf says of all of them. */
export interface FilterContext extends ChannelWorld {
  readonly warn: Warn;
  /** Sockets are named from here (queue_directory). */
  readonly directory: string;
  readonly softBounce: boolean;
}

/** A command that tells of something: the bits of an agreement by which it is not wanted, or not answered. */
export interface Event {
  readonly command: Command | { readonly is: "body"; readonly packet: Buffer };
  readonly unwanted: number;
  readonly unanswered: number;
}

/** Makes the packet of macros for a command when it is to be sent. */
export type Macros = (letter: CommandLetter) => MaybeAsync<Buffer>;

/** What a filter has said so far: no answer is asked for, or there is nothing against it. */
type Said = MaybeAsync<Verdict | undefined>;

/** A filter that says that it is still at work is believed for so long, for one command (SMFIR_PROGRESS). */
const MOST_PATIENCE = 3_600_000;

/**
 * Where a filter stands (Postfix's milter8.c): `envelope` between messages and while one is announced, `message` in its content. What
 * is said in place of one that has failed or has said its last word is `lasting`.
 */
type State =
  | "unconnected"
  | "envelope"
  | "message"
  | "accepts session"
  | "accepts message"
  | "rejects session"
  | "failed";

/** One filter in one SMTP session: libmilter wants a connection for each. */
export class Filter {
  readonly settings: FilterSettings;
  readonly #context: FilterContext;
  #channel: Channel | undefined;
  #agreement: Agreement | undefined;
  #state: State = "unconnected";
  #lasting: Verdict | undefined;
  /** What lasted before the message. */
  #before: Verdict | undefined;
  /** The command that is not sent again until another comes (SMFIR_SKIP). */
  #skipped: CommandLetter | undefined;
  /** An answer that is being waited for: the next command comes behind it. */
  #answering: Promise<unknown> | undefined;
  /** Counts what was broken off: answers to that come late, and mean nothing. */
  #epoch = 0;

  constructor(settings: FilterSettings, context: FilterContext) {
    this.settings = settings;
    this.#context = context;
  }

  /** What is said to every command from now on. */
  get lasting(): Verdict | undefined {
    return this.#lasting;
  }

  /** Whether it wants to see content. */
  get isActive(): boolean {
    return this.#channel !== undefined && this.#state === "envelope";
  }

  get inMessage(): boolean {
    return this.#state === "message";
  }

  /** Whether it has set a bit in the negotiation. */
  has(bit: number): boolean {
    return ((this.#agreement?.events ?? 0) & bit) !== 0;
  }

  /** The macros that it wants itself at a stage. */
  ownMacros(stage: MacroStage): string | undefined {
    return this.#agreement?.macros.get(stage) || undefined;
  }

  #warn(text: string): void {
    this.#tell(`milter ${this.settings.name}: ${text}`);
  }

  #tell(text: string): void {
    this.#context.warn(text, this.inMessage);
  }

  /** Connects and negotiates. What comes of it shows with the next event. */
  async connect(): Promise<void> {
    if (this.settings.flaw !== undefined) {
      this.#tell(this.settings.flaw);
      return this.#misconfigured();
    }
    const offer = readOffer(this.settings.protocol);
    if (typeof offer === "string") {
      this.#warn(offer);
      return this.#misconfigured();
    }
    const to = this.#endpoint();
    if (to === undefined) return this.#misconfigured();
    try {
      this.#channel = await Channel.open(to, this.settings.connectTimeout, this.#context);
    } catch (error) {
      this.#tell(`connect to Milter service ${this.settings.name}: ${systemErrorText(error)}`);
      return this.#unreachable();
    }
    await this.#negotiate(this.#channel, offer);
  }

  #endpoint(): ConnectTo | undefined {
    const { name } = this.settings;
    const [, transport = "", place = ""] = /^([^:]*):?([^]*)$/.exec(name)!;
    const endpoint = parseEndpoint(name, this.#context.directory);
    if (endpoint.is === "endpoint") return endpoint.to;
    this.#tell(
      transport === "" || place === ""
        ? `Milter service needs transport:endpoint instead of "${name}"`
        : ["inet", "unix", "local"].includes(transport)
        ? `Milter service ${name}: ${endpoint.why}`
        : `invalid transport name: ${transport} in Milter service: ${name}`,
    );
  }

  async #negotiate(channel: Channel, offer: Offer): Promise<void> {
    const { commandTimeout } = this.settings;
    await channel.write(commandTimeout, printCommand({ is: "negotiate", actions: ALL_ACTIONS, ...offer }));
    const packet = await this.#read(COMMANDS.negotiate, commandTimeout);
    if (packet === undefined) return this.#warn("read error in initial handshake");
    const agreement = agree(packet, offer);
    if (typeof agreement === "string") {
      for (const line of agreement.split("\n")) this.#warn(line);
      return this.#unreachable();
    }
    for (const stage of agreement.unknownStages) this.#warn(`ignoring unknown macro type ${stage}`);
    this.#agreement = agreement;
    this.#state = "envelope";
  }

  /** What is set up wrongly, or answers what is no SMTP reply: milter_default_action decides. */
  #misconfigured(): void {
    this.#fail(whenMisconfigured(this.settings.defaultAction));
  }

  /** What cannot be reached, or does not speak the protocol: the same. */
  #unreachable(): void {
    this.#fail(whenUnreachable(this.settings.defaultAction, (text) => this.#warn(text)));
  }

  #fail(lasting: Verdict | undefined): void {
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#state = "failed";
    this.#lasting = lasting;
  }

  /** Its last word on the session: it closes its end, as libmilter does. */
  #leave(state: "accepts session" | "rejects session", lasting: Verdict | undefined): Verdict | undefined {
    this.#channel?.finish();
    this.#channel = undefined;
    this.#state = state;
    return this.#lasting = lasting;
  }

  /** A packet; undefined where the filter has failed instead. */
  async #read(letter: CommandLetter, timeout: number): Promise<Packet | undefined> {
    try {
      const packet = await this.#channel?.read(timeout);
      if (packet === undefined || !("bad" in packet)) return packet;
      this.#warn(packet.bad);
    } catch (error) {
      this.#warn(`can't read ${COMMAND_NAMES[letter]} reply packet header: ${systemErrorText(error)}`);
    }
    this.#unreachable();
  }

  /** Tells of something in the session; answers what the filter says to it, or has said for good. */
  tell(event: Event, macros: Macros): Said {
    const { is } = event.command;
    if (this.#channel === undefined || (this.#state === "accepts message" && is !== "helo")) {
      return this.#lasting;
    }
    if (this.#lasting !== undefined) {
      const name = COMMAND_NAMES[COMMANDS[is]];
      this.#tell(`attempt to send event ${name} to milter ${this.settings.name} after error`);
      return this.#lasting;
    }
    return this.#send(event, macros, this.settings.commandTimeout);
  }

  /** A message's content begins: `tellContent` has it until `leaveMessage`. */
  enterMessage(): void {
    this.#state = "message";
    this.#before = this.#lasting;
  }

  /** Tells of a piece of content; the end of it may bring changes. */
  tellContent(event: Event, macros: Macros, changes?: MessageChanges): Said {
    return this.#send(event, macros, this.settings.contentTimeout, changes);
  }

  /** The content is over. A verdict on it is on this message alone. */
  leaveMessage(): void {
    if (this.#state !== "message" && this.#state !== "accepts message") return;
    this.#state = "envelope";
    this.#lasting = this.#before;
  }

  #send(
    { command, unwanted, unanswered }: Event,
    macros: Macros,
    timeout: number,
    changes?: MessageChanges,
  ): Said {
    const [letter, agreement] = [COMMANDS[command.is], this.#agreement];
    if (agreement === undefined || (unwanted & agreement.missing) !== 0) return this.#lasting;
    if (this.#skipped === letter) return this.#lasting;
    this.#skipped = undefined;
    const isWanted = (unwanted & agreement.events) === 0;
    const written = then(this.#answering, () =>
      then(macros(letter), (packet) => {
        if (!isWanted) return this.#channel?.write(timeout, packet);
        // One write, one wake-up of the filter; what is large is not copied for that.
        return "packet" in command
          ? this.#channel?.write(timeout, packet, command.packet)
          : this.#channel?.write(timeout, Buffer.concat([packet, printCommand(command)]));
      }));
    if (!isWanted || (unanswered & agreement.events) !== 0) return then(written, () => this.#lasting);
    const answered = this.#answer(written, letter, timeout, changes).finally(() => {
      if (this.#answering === answered) this.#answering = undefined;
    });
    return this.#answering = answered;
  }

  #write(command: Command, timeout: number): MaybeAsync<void> {
    return this.#channel?.write(timeout, printCommand(command));
  }

  async #answer(
    written: MaybeAsync<void>,
    letter: CommandLetter,
    timeout: number,
    changes: MessageChanges | undefined,
  ): Promise<Verdict | undefined> {
    const epoch = this.#epoch;
    if (isPromise(written)) await written;
    const read = () => this.#read(letter, timeout);
    const edits = changes === undefined
      ? undefined
      : new EditRun(changes, this.has(EVENTS.leadingSpace) ? "" : " ");
    const until = performance.now() + MOST_PATIENCE;
    let packet = await read();
    while (packet !== undefined) {
      const { letter: given } = packet;
      if (!isResponse(given) || (edits === undefined && EDITS.has(given))) {
        this.#warn(`unexpected filter response ${responseName(given)} after event ${COMMAND_NAMES[letter]}`);
        this.#unreachable();
        break;
      }
      const response = parseResponse(packet);
      if (response.is === "misread") {
        this.#warn(response.why);
        this.#unreachable();
        break;
      }
      if (edits !== undefined && EDITS.has(given)) {
        packet = await edits.carryOut(response, packet.more, read);
        if (edits.flaw !== undefined) {
          this.#warn(edits.flaw);
          this.#misconfigured();
          break;
        }
        continue;
      }
      if (response.is === "quarantine") this.#lasting = HOLD;
      else if (response.is !== "progress") {
        const said = epoch === this.#epoch ? this.#decide(response, letter) : this.#lasting;
        return edits?.outcome(said) ?? said;
      } else if (performance.now() > until) {
        this.#warn(`no decision on ${COMMAND_NAMES[letter]} within ${MOST_PATIENCE / 1000} seconds`);
        this.#unreachable();
        break;
      }
      packet = await read();
    }
    return edits?.outcome(this.#lasting) ?? this.#lasting;
  }

  /** What a last word comes to, by the command that it answers. */
  #decide(response: Response, letter: CommandLetter): Verdict | undefined {
    const onSession = letter === COMMANDS.connect || letter === COMMANDS.helo;
    switch (response.is) {
      case "skip":
        this.#skipped = letter;
        return this.#lasting;
      case "accept":
        if (onSession) return this.#leave("accepts session", this.#lasting);
        this.#state = "accepts message";
        return this.#lasting;
      case "discard":
        if (onSession) {
          this.#warn("DISCARD action is not allowed for connect or helo");
          return this.#lasting;
        }
        this.#state = "accepts message";
        return DISCARD;
      case "reject":
        return onSession ? this.#leave("rejects session", REJECTED) : REJECTED;
      case "tempfail":
        return onSession ? this.#leave("rejects session", TRY_AGAIN) : TRY_AGAIN;
      case "shutdown":
        return this.#leave("rejects session", SHUTDOWN);
      case "replyCode":
        return this.#refused(response.text, onSession);
      default:
        return this.#lasting;
    }
  }

  #refused(text: string, onSession: boolean): Verdict | undefined {
    const verdict = readReplyCode(text, this.#context.softBounce);
    if (verdict !== undefined) return onSession ? this.#leave("rejects session", verdict) : verdict;
    this.#warn(`malformed reply: ${text}`);
    this.#misconfigured();
    return this.#lasting;
  }

  /** The message, or what was said of it, is void. */
  abort(): void {
    this.#epoch++;
    this.leaveMessage();
    if (this.#channel === undefined) return;
    void this.#write({ is: "abort" }, this.settings.commandTimeout);
    this.#state = "envelope";
  }

  /** The session is over. */
  quit(): void {
    this.#epoch++;
    void this.#write({ is: "quit" }, this.settings.commandTimeout);
    this.#channel?.finish();
    this.#channel = undefined;
    this.#state = "unconnected";
    this.#lasting = undefined;
  }
}
