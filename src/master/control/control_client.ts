import { LineReader } from "../../base/line_reader.ts";
import { readJson } from "../../base/bounded_json.ts";
import { Misfit } from "../../base/shape.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { connect, type Connection, type ConnectionHandler } from "../../platform/socket/connection.ts";
import {
  ANSWER_LIMIT,
  type AnswerLine,
  answerLine,
  controlSocketPath,
  printLine,
} from "./control_protocol.ts";
import { type ArgsOf, type ItemOf, type ResultOf, type RowOf, type Verb, VERBS } from "./control_verbs.ts";
import type { FaultReport } from "./service_fault.ts";

/** What became of a question to the running service. */
export type ControlAnswer<V extends Verb> =
  | { readonly is: "done"; readonly value: ResultOf<V> }
  | { readonly is: "fault"; readonly kind: FaultReport["kind"]; readonly why: string }
  /** Nobody listens: the service is down. `why` is what the system says to that. */
  | { readonly is: "down"; readonly why: string };

/** A question to the running service of a queue directory. */
export interface ControlQuestion<V extends Verb> {
  readonly queueDirectory: string;
  readonly verb: V;
  readonly args: ArgsOf<V>;
  /** What follows the request. */
  readonly items?: AsyncIterable<ItemOf<V>> | Iterable<ItemOf<V>>;
  /** Gets each row as it arrives; the service waits while a promise is open. */
  readonly row?: (row: RowOf<V>) => void | Promise<void>;
  /** Milliseconds without a byte from the service; default one minute. */
  readonly timeout?: number;
  /** The answer is not wanted any more: it ends as a fault. */
  readonly signal?: AbortSignal;
}

const DOWN = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);
/** How long a service whose queue of newcomers is full is asked again, and how often, in milliseconds. */
const CROWDED = 10_000;
const AGAIN = 25;
/** Lines that wait before the service has to. */
const HIGH = 256;

/** Asks the running service (control socket) and waits for the whole answer. */
export async function askService<V extends Verb>(question: ControlQuestion<V>): Promise<ControlAnswer<V>> {
  const conversation = new Conversation(question);
  try {
    conversation.begin(await reach(question.queueDirectory, conversation));
  } catch (error) {
    return unreachable(error);
  }
  const { signal } = question;
  if (signal?.aborted) conversation.giveUp();
  signal?.addEventListener("abort", conversation.giveUp, { once: true });
  const answer = await conversation.answer;
  signal?.removeEventListener("abort", conversation.giveUp);
  return answer;
}

/** Connects. A crowd at the door (EAGAIN, unix(7)) is waited out. */
async function reach(queueDirectory: string, handler: ConnectionHandler): Promise<Connection> {
  const path = controlSocketPath(queueDirectory);
  for (let waited = 0;; waited += AGAIN) {
    try {
      return await connect({ path }, { timeout: 5000 }, () => handler);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN" || waited >= CROWDED) throw error;
      await new Promise<void>((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function unreachable(error: unknown): ControlAnswer<never> {
  const [code, why] = [codeOf(error), systemErrorText(error)];
  if (DOWN.has(code)) return { is: "down", why };
  return { is: "fault", kind: code === "EACCES" ? "forbidden" : "failed", why };
}

/** The tool's side of a connection. */
class Conversation<V extends Verb> implements ConnectionHandler {
  readonly #question: ControlQuestion<V>;
  readonly #answer = Promise.withResolvers<ControlAnswer<V>>();
  readonly #lines = new LineReader(ANSWER_LIMIT);
  #connection: Connection | undefined;
  #waiting: AnswerLine[] = [];
  #working = false;
  #closed = false;
  #drained = () => {};

  constructor(question: ControlQuestion<V>) {
    this.#question = question;
  }

  get answer(): Promise<ControlAnswer<V>> {
    return this.#answer.promise;
  }

  begin(connection: Connection): void {
    this.#connection = connection;
    void this.#answer.promise.then(() => connection.destroy());
    const { verb, args, items, timeout = 60_000 } = this.#question;
    connection.setTimeout(timeout);
    connection.write(printLine({ verb, args }));
    if (VERBS[verb].takesItems) {
      void this.#sendItems(connection, items ?? []).catch((error) => this.#fail(`cannot go on: ${error}`));
    }
  }

  async #sendItems(
    connection: Connection,
    items: AsyncIterable<ItemOf<V>> | Iterable<ItemOf<V>>,
  ): Promise<void> {
    for await (const item of items) {
      if (this.#closed) return;
      if (!connection.write(printLine({ item }))) {
        await new Promise<void>((resolve) => this.#drained = resolve);
      }
    }
    connection.write(printLine({ end: true }));
  }

  readonly giveUp = (): void => this.#fail("the answer is not wanted any more");

  #fail(why: string): void {
    this.#answer.resolve({ is: "fault", kind: "failed", why });
  }

  data(chunk: Buffer): void {
    const inOne = this.#lines.push(chunk, (text) => {
      const line = readJson(text, answerLine);
      if (line instanceof Misfit) this.#fail(`malformed answer of the service: ${line}`);
      else this.#waiting.push(line);
    });
    if (!inOne) return this.#fail("malformed answer of the service: a line that is too long");
    if (this.#waiting.length > HIGH) this.#connection?.pause();
    if (!this.#working) void this.#work().catch((error) => this.#fail(String(error)));
  }

  /** Hands the lines on, one after another. */
  async #work(): Promise<void> {
    this.#working = true;
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      await this.#take(line);
      if (this.#waiting.length === 0) this.#connection?.resume();
    }
    this.#working = false;
    if (this.#closed) this.#lost();
  }

  #take(line: AnswerLine): void | Promise<void> {
    const shapes = VERBS[this.#question.verb];
    if ("fault" in line) return this.#answer.resolve({ is: "fault", ...line.fault });
    if ("row" in line) {
      const row = shapes.row(line.row);
      if (row instanceof Misfit) return this.#fail(`malformed answer of the service: ${row}`);
      return this.#question.row?.(row);
    }
    const value = shapes.result(line.done);
    if (value instanceof Misfit) return this.#fail(`malformed answer of the service: ${value}`);
    this.#answer.resolve({ is: "done", value });
  }

  #lost(): void {
    this.#fail("the service closed the connection");
  }

  end(): void {
    this.close();
  }

  drain(): void {
    this.#drained();
  }

  timeout(): void {
    if (!this.#working) this.#fail("the service does not answer");
  }

  close(): void {
    this.#closed = true;
    this.#drained();
    if (!this.#working) this.#lost();
  }
}
