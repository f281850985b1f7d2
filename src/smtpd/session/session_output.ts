import type { Connection } from "../../platform/socket/connection.ts";
import { printReply, type Reply } from "../../smtp/reply.ts";

/** Replies on their way out: they leave together once no more input can be worked on. */
export class SessionOutput {
  readonly #connection: Connection;
  #text = "";
  #blocked = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The peer does not keep up: there is no point in reading on. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Characters that wait to leave. */
  get size(): number {
    return this.#text.length;
  }

  add(reply: Reply): void {
    this.#text += printReply(reply);
  }

  flush(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    if (!this.#connection.write(text)) this.#blocked = true;
  }

  drained(): void {
    this.#blocked = false;
  }
}
