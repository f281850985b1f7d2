import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { Connection, ConnectionHandler, ConnectTo } from "../../platform/socket/connection.ts";
import { DotStuffer, END_OF_DATA } from "../../smtp/dot_stuffing.ts";
import { passedOn } from "../../smtp/passed_reply.ts";
import { classed, defer, refuse, type Reply } from "../../smtp/reply.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";
import { parseFeatures } from "../../smtp/server_features.ts";
import { FilterConnection, type Patience, type Silence } from "./filter_connection.ts";
import { type Told, xforwardLines } from "./xforward_lines.ts";

/** What a client hears when the filter cannot be asked: its mail waits with it. */
export const NO_FILTER = classed(defer(451, "4.3.0", "Error: queue file write error"), "software");

/**
 * A quoted address may hold a CR or another control character (RFC 5321 §4.1.2 has none, Postfix takes them). A filter that
 * ends lines at a bare CR would read a command of its own there, and trusts us: such a line is not passed on.
 */
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/;
const HAS_CONTROLS = classed(refuse(501, "5.5.2", "Error: control character in command"), "none");

/** Where a filter is and how it is spoken to. */
export interface FilterPlace extends Patience {
  /** As smtpd_proxy_filter says it, for log lines. */
  readonly name: string;
  readonly to: ConnectTo;
  /** smtpd_proxy_ehlo */
  readonly ehlo: string;
  readonly connect: (
    to: ConnectTo,
    options: { readonly timeout: number },
    handlerOf: (connection: Connection) => ConnectionHandler,
  ) => Promise<Connection>;
}

/** The first digit of the reply that a command is to have. */
type Wanted = "2" | "3";

/** A dialogue with a filter, of one message. A reply is given only when it is not the one that is wanted: the client hears it. */
export class FilterSession {
  readonly #place: FilterPlace;
  #connection: FilterConnection | undefined;
  readonly #stuffer = new DotStuffer(0);
  /** After DATA, until its content was answered: QUIT would be part of it. */
  #inContent = false;
  /** The last refusal that may be passed on. */
  #refusal: Reply | undefined;
  /** The log has been told that the filter does not answer. */
  #silenceTold = false;

  constructor(place: FilterPlace) {
    this.#place = place;
  }

  /** Connects, greets, tells whose the message is, and passes MAIL on. */
  async open(mail: string, told: Told): Promise<Reply | undefined> {
    const connection = await this.#connect();
    if (connection === undefined) return NO_FILTER;
    this.#connection = connection;
    if (typeof await this.#expect("connection request", "2") === "string") return NO_FILTER;
    const ehlo = await this.#ask(`EHLO ${this.#place.ehlo}`, "2");
    if (typeof ehlo === "string") return NO_FILTER;
    for (const line of xforwardLines(told, parseFeatures(ehlo, new Set()).xforward)) {
      if (typeof await this.#ask(line, "2") === "string") return NO_FILTER;
    }
    return await this.command(mail, "2");
  }

  /** Passes a command of the client on, if it is one line to every reader. */
  async command(line: string, wanted: Wanted): Promise<Reply | undefined> {
    if (CONTROLS.test(line)) {
      this.#place.warn(`proxy ${this.#place.name}: control character in "${line}": not passed on`);
      return HAS_CONTROLS;
    }
    const reply = await this.#ask(line, wanted);
    if (typeof reply !== "string") {
      this.#inContent = wanted === "3";
      return undefined;
    }
    return this.#refusal === undefined ? NO_FILTER : classed(this.#refusal, "none");
  }

  /** Passes content on; a promise when the filter does not keep up. */
  content(bytes: Buffer): MaybeAsync<void> {
    return this.#writeAll(this.#stuffer.push(bytes));
  }

  /** Ends the content; the filter's word, whatever it is. */
  async endOfContent(): Promise<Reply> {
    await this.#writeAll([...this.#stuffer.end(), Buffer.from(END_OF_DATA)]);
    const reply = await this.#reply();
    if (typeof reply === "string") return NO_FILTER;
    this.#inContent = false;
    const passed = passedOn(reply);
    return passed === undefined ? NO_FILTER : classed(passed, "policy");
  }

  close(): void {
    if (this.#inContent) this.#connection?.tearAway();
    else this.#connection?.quit();
    this.#connection = undefined;
  }

  async #connect(): Promise<FilterConnection | undefined> {
    const { to, timeout, name, warn, connect } = this.#place;
    let made: FilterConnection | undefined;
    try {
      await connect(to, { timeout }, (connection) => made = new FilterConnection(connection, this.#place));
    } catch (error) {
      warn(`connect to proxy filter ${name}: ${systemErrorText(error)}`);
    }
    return made;
  }

  #writeAll(pieces: readonly Uint8Array[]): MaybeAsync<void> {
    let written: MaybeAsync<void> = undefined;
    for (const piece of pieces) written = this.#connection?.write(piece);
    return isPromise(written) ? written : undefined;
  }

  async #ask(line: string, wanted: Wanted): Promise<ServerReply | Silence | "refused"> {
    await this.#connection?.write(`${line}\r\n`);
    return await this.#expect(line, wanted);
  }

  async #expect(what: string, wanted: Wanted): Promise<ServerReply | Silence | "refused"> {
    this.#refusal = undefined;
    const reply = await this.#reply();
    if (typeof reply === "string" || String(reply.code).startsWith(wanted)) return reply;
    const said = reply.lines.join("??");
    this.#place.warn(`proxy ${this.#place.name} rejected "${what}": "${said}"`);
    const passed = passedOn(reply);
    if (passed !== undefined && passed.code >= 400) this.#refusal = passed;
    return "refused";
  }

  async #reply(): Promise<ServerReply | Silence> {
    const connection = this.#connection;
    const reply = await (connection?.reply() ?? "lost");
    // Who has hung up himself is not told so.
    if (connection === undefined || this.#connection !== connection) return "lost";
    const { name, warn } = this.#place;
    if (typeof reply !== "string") {
      if (reply.garbage) warn(`received garbage from proxy ${name}: ${reply.lines[0]?.slice(0, 100)}`);
    } else if (!this.#silenceTold) {
      this.#silenceTold = true;
      warn(reply === "lost" ? `lost connection with proxy ${name}` : `timeout talking to proxy ${name}`);
    }
    return reply;
  }
}
