import { systemClock } from "../../base/clock.ts";
import { LineReader } from "../../base/line_reader.ts";
import { readJson } from "../../base/bounded_json.ts";
import { Misfit } from "../../base/shape.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import { type AnswerLine, itemLine, printLine, REQUEST_LIMIT, requestLine } from "./control_protocol.ts";
import {
  type ArgsOf,
  isVerb,
  type ItemOf,
  type MayUse,
  type ResultOf,
  type RowOf,
  type Verb,
  VERBS,
} from "./control_verbs.ts";
import { ItemQueue } from "./item_queue.ts";
import { reportOf, ServiceFault } from "./service_fault.ts";

/** One request, as who carries it out sees it. */
export interface Call<V extends Verb> {
  readonly args: ArgsOf<V>;
  /** What the client sends after the request, as it comes. */
  readonly items: AsyncIterable<ItemOf<V>>;
  /** Sends a row; where it answers a promise the client has not yet read what came before. */
  readonly row: (row: RowOf<V>) => Promise<void> | undefined;
  /** The client is gone, or does not read. */
  readonly signal: AbortSignal;
  /** It is for an ordinary user: what is costly leaves mail the first place. */
  readonly gently: boolean;
}

/** Carries requests out: one function a verb. */
export type ControlService = { readonly [V in Verb]: (call: Call<V>) => Promise<ResultOf<V>> };

/** Who is at the other end of a session. */
export interface SessionUser {
  readonly uid: number;
  readonly isOwner: boolean;
  readonly may: (need: MayUse) => boolean;
  /** Begins a listing, and answers how to end it; undefined when he has as many as he may. */
  readonly list: () => (() => void) | undefined;
}

/** The whole request has to be there by then, in milliseconds, however it drips. */
const REQUEST_DEADLINE = 5000;
/** Between two items, and between two moments at which the client reads. */
const STALL = 30_000;
/**
 * The same for who reads a listing: he may be a person with a pager. The owner has as long as Postfix gives him (ipc_timeout); others
 * less, and so long for the whole of it.
 */
const LISTING_STALL = { owner: 3_600_000, other: 300_000 } as const;
const LISTING_DEADLINE = 1_800_000;
/** What everybody but the owner may send after a request, and how long it may take. */
const MOST_ITEMS = 1000;
const ITEMS_DEADLINE = 30_000;
/** After the answer the client closes; one that does not is cut off. */
const LINGER = 2000;

/** One connection to the control socket: reads one request, has it carried out, sends the answer. */
export class ControlSession implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #user: SessionUser;
  readonly #service: ControlService;
  readonly #leave: () => void;
  readonly #lines = new LineReader(REQUEST_LIMIT);
  readonly #gone = new AbortController();
  #cancelDeadline: () => void;
  #phase: "request" | "items" | "answer" | "over" = "request";
  #items: ItemQueue | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #stall: number = STALL;
  #endListing = () => {};

  constructor(connection: Connection, user: SessionUser, service: ControlService, leave: () => void) {
    this.#connection = connection;
    this.#user = user;
    this.#service = service;
    this.#leave = leave;
    this.#cancelDeadline = systemClock.after(REQUEST_DEADLINE, () => connection.destroy());
  }

  data(chunk: Buffer): void {
    // Nothing is expected: what comes all the same is not even kept.
    if (this.#phase === "answer" || this.#phase === "over") return this.#connection.destroy();
    const inOne = this.#lines.push(chunk, (line) => this.#line(line));
    if (!inOne) this.#refuse(`a line of more than ${REQUEST_LIMIT} bytes`);
  }

  #line(line: string): void {
    if (this.#phase === "request") return this.#request(line);
    if (this.#phase === "items") return this.#item(line);
    this.#connection.destroy();
  }

  #request(line: string): void {
    const request = readJson(line, requestLine);
    if (request instanceof Misfit) return this.#refuse(String(request));
    const { verb, args } = request;
    if (!isVerb(verb)) return this.#refuse(`unknown verb ${JSON.stringify(verb)}`);
    if (!this.#user.may(VERBS[verb].mayUse)) {
      return this.#finish({
        fault: { kind: "forbidden", why: `user ${this.#user.uid} may not use "${verb}"` },
      });
    }
    this.#serve(verb, args);
  }

  #serve<V extends Verb>(verb: V, given: unknown): void {
    const row = VERBS[verb];
    const args = row.args(given);
    if (args instanceof Misfit) return this.#refuse(`${verb}: ${args}`);
    this.#cancelDeadline();
    if (row.isListing && !this.#beginListing()) return;
    const most = this.#user.isOwner ? Number.POSITIVE_INFINITY : MOST_ITEMS;
    const items = new ItemQueue<ItemOf<V>>(
      row.item,
      most,
      (busy) => busy ? this.#connection.pause() : this.#connection.resume(),
    );
    this.#items = items;
    if (row.takesItems) {
      this.#phase = "items";
      this.#connection.setTimeout(STALL);
      if (!this.#user.isOwner) {
        this.#cancelDeadline = systemClock.after(ITEMS_DEADLINE, () => this.#connection.destroy());
      }
    } else {
      this.#phase = "answer";
      items.end();
    }
    void this.#answer(verb, {
      args,
      items,
      row: (each) => this.#send({ row: each }),
      signal: this.#gone.signal,
      gently: !this.#user.isOwner,
    });
  }

  #beginListing(): boolean {
    const end = this.#user.list();
    if (end === undefined) {
      const why = `user ${this.#user.uid} has too many listings of the queue open; try again later`;
      this.#finish({ fault: { kind: "busy", why } });
      return false;
    }
    this.#endListing = end;
    this.#stall = LISTING_STALL[this.#user.isOwner ? "owner" : "other"];
    if (!this.#user.isOwner) {
      this.#cancelDeadline = systemClock.after(LISTING_DEADLINE, () => this.#connection.destroy());
    }
    return true;
  }

  async #answer<V extends Verb>(verb: V, call: Call<V>): Promise<void> {
    try {
      this.#finish({ done: await this.#service[verb](call) });
    } catch (error) {
      this.#finish({ fault: reportOf(error) });
    }
  }

  #item(line: string): void {
    const given = readJson(line, itemLine);
    if (given instanceof Misfit) return this.#items?.fail(new ServiceFault("malformed", String(given)));
    if ("item" in given) return this.#items?.push(given.item);
    this.#phase = "answer";
    this.#cancelDeadline();
    this.#connection.setTimeout(0);
    this.#items?.end();
  }

  #send(line: AnswerLine): Promise<void> | undefined {
    if (this.#gone.signal.aborted) return Promise.reject(this.#gone.signal.reason);
    if (this.#connection.write(printLine(line))) return undefined;
    this.#connection.setTimeout(this.#stall);
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  #refuse(why: string): void {
    this.#finish({ fault: { kind: "malformed", why: `malformed request: ${why}` } });
  }

  #finish(line: AnswerLine): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#cancelDeadline();
    void this.#send(line)?.catch(() => {});
    this.#connection.setTimeout(LINGER);
    this.#connection.end();
  }

  /** A client that waits for its answer keeps its side open: this one has gone, and its place is free. */
  end(): void {
    if (this.#phase !== "over") this.#connection.destroy();
  }

  drain(): void {
    if (this.#phase === "answer") this.#connection.setTimeout(0);
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  timeout(): void {
    this.#connection.destroy();
  }

  close(): void {
    this.#cancelDeadline();
    const gone = new Error("the client has gone");
    this.#phase = "over";
    this.#gone.abort(gone);
    this.#drained?.promise.catch(() => {});
    this.#drained?.reject(gone);
    this.#items?.fail(gone);
    this.#endListing();
    this.#leave();
  }
}
