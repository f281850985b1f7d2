import type { Log } from "../observe/log.ts";
import { classed, refuse } from "../smtp/reply.ts";
import { type Changed, type HeaderField, type MessageEdits, type Stage, UNCHANGED } from "./stage.ts";

const TOO_MANY_HOPS = classed(refuse(554, "5.4.0", "Error: too many hops"), "bounce");

/** Refuses a message that has come through too many hosts (hopcount_limit). */
export class HopLimit implements Stage {
  readonly #message: MessageEdits;
  readonly #limit: number;
  readonly #log: Log;
  #received = 0;

  constructor(message: MessageEdits, limit: number, log: Log) {
    this.#message = message;
    this.#limit = limit;
    this.#log = log;
  }

  /** Counts what came, whatever tables make of it. */
  field({ place, name }: HeaderField): Changed {
    if (place === "primary" && name === "received") this.#received++;
    return UNCHANGED;
  }

  headerEnd(): void {
    if (this.#received < this.#limit) return;
    this.#log.emit("cleanup", "hopCountExceeded", { id: this.#message.id });
    this.#message.refuse(TOO_MANY_HOPS);
  }
}
