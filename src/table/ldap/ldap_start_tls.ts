import { GatheredBytes } from "../../base/gathered_bytes.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";

/** What is said in the clear before TLS begins (RFC 4511 §4.14). */
export interface StartTlsWords {
  readonly request: Uint8Array;
  /**
   * Sees all that the server has said so far and tells whether that is the whole answer; throws when the server does not want, or
   * says more than it should.
   */
  accepts(answer: Buffer): boolean;
}

/** Longest answer in the clear. */
const ANSWER_LIMIT = 16_384;

/** Asks a server to begin TLS: the handler of a connection until the answer is here. */
export class StartTlsRequest implements ConnectionHandler {
  readonly #words: StartTlsWords;
  readonly #answer = new GatheredBytes();
  readonly #asked = Promise.withResolvers<void>();

  constructor(words: StartTlsWords) {
    this.#words = words;
  }

  /** Resolves when the server agrees. Rejects with what is wrong, `ETIMEDOUT` after so many milliseconds, or the signal's reason. */
  async send(connection: Connection, timeout: number, signal: AbortSignal): Promise<void> {
    const aborted = () => this.#asked.reject(signal.reason);
    signal.addEventListener("abort", aborted, { once: true });
    connection.setTimeout(timeout);
    connection.write(this.#words.request);
    try {
      await this.#asked.promise;
      connection.setTimeout(0);
    } finally {
      signal.removeEventListener("abort", aborted);
    }
  }

  data(chunk: Buffer): void {
    this.#answer.add(chunk);
    try {
      if (this.#answer.length > ANSWER_LIMIT) throw new Error("the server's answer is too long");
      if (this.#words.accepts(this.#answer.bytes)) this.#asked.resolve();
    } catch (error) {
      this.#asked.reject(error);
    }
  }

  end(): void {
    this.#asked.reject(new Error("the server has closed the connection"));
  }

  drain(): void {}

  timeout(): void {
    this.#asked.reject(Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" }));
  }

  close(error: Error | undefined): void {
    this.#asked.reject(error ?? new Error("the server has closed the connection"));
  }
}
