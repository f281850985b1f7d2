import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { ConnectTo } from "../../platform/socket/connection.ts";
import {
  type AuthBackend,
  type AuthExchange,
  type AuthSession,
  type AuthStep,
  DIALOGUE_TEXTS,
  type Offer,
} from "../auth_backend.ts";
import {
  type Answer,
  DovecotConnection,
  DovecotFault,
  type DovecotWorld,
  LONGEST_REQUEST,
} from "./auth_connection.ts";
import { printAuth, printContinue } from "./auth_protocol.ts";

const fail = (reason: string, more: Partial<Extract<AuthStep, { is: "failed" }>> = {}): AuthStep => ({
  is: "failed",
  reason,
  ...more,
});
const temporarily = (reason: string, warnings: readonly string[] = []): AuthStep =>
  fail(reason, { temporary: true, warnings });
const backendError = (warning: string): AuthStep =>
  fail("Authentication backend error", { warnings: [warning] });

const LOST = temporarily("Connection lost to authentication server");

/** What the client is to hear of Dovecot's answer. */
function stepOf(answer: Answer): AuthStep {
  switch (answer.is) {
    case "continue": {
      const { challenge } = answer;
      return challenge === undefined
        ? backendError("missing Dovecot server CONT reply field")
        : { is: "challenge", challenge };
    }
    case "ok":
      return admitted(answer.fields);
    case "fail":
      return refused(answer.fields);
    case "lost":
      return LOST;
    case "late":
      return temporarily("Connection lost to authentication server", [
        "SASL: Dovecot's auth socket has not answered in time",
      ]);
  }
}

type Fields = ReadonlyMap<string, string>;

/**
 * `nologin`: the password is right, and the user shall not get in all the same (Dovecot's passdb extra fields). Where mailboxes are on
 * another host (`proxy`, `host`) it only says that they are not here.
 */
function admitted(fields: Fields): AuthStep {
  const username = fields.get("user");
  if (username === undefined) return backendError("missing Dovecot server OK username field");
  const elsewhere = fields.has("proxy") || fields.has("host");
  return fields.has("nologin") && !elsewhere ? refused(fields) : { is: "done", username };
}

function refused(fields: Fields): AuthStep {
  const temporary = fields.has("temp") || fields.get("code") === "temp_fail";
  return fail(fields.get("reason") ?? "", { username: fields.get("user"), temporary });
}

/** Dovecot's auth socket, through one connection for all sessions; it is opened when somebody first asks, and again when it is gone. */
class DovecotBackend implements AuthBackend {
  readonly texts = DIALOGUE_TEXTS;
  readonly #name: string;
  readonly #to: ConnectTo;
  readonly #world: DovecotWorld;
  #current: DovecotConnection | undefined;
  #opening: Promise<DovecotConnection> | undefined;
  #closed = false;

  constructor(name: string, to: ConnectTo, world: DovecotWorld) {
    this.#name = name;
    this.#to = to;
    this.#world = world;
  }

  offer(): MaybeAsync<Offer> {
    const connection = this.connection();
    const offered = ({ mechanisms }: DovecotConnection): Offer => ({ is: "mechanisms", mechanisms });
    if (!isPromise(connection)) return offered(connection);
    return connection.then(offered, (error): Offer => ({ is: "trouble", warnings: [textOf(error)] }));
  }

  begin(mechanism: string, session: AuthSession): AuthExchange {
    return new DovecotExchange(this, mechanism, session);
  }

  close(): void {
    this.#closed = true;
    this.#current?.destroy();
    this.#opening?.then((connection) => connection.destroy(), () => {});
  }

  /** The connection that there is, or a new one; rejects with a DovecotFault. */
  connection(): MaybeAsync<DovecotConnection> {
    if (this.#current?.isOpen) return this.#current;
    if (this.#closed) return Promise.reject(new DovecotFault("SASL: the service ends"));
    return this.#opening ??= this.#open();
  }

  async #open(): Promise<DovecotConnection> {
    try {
      return this.#current = await DovecotConnection.open(this.#name, this.#to, this.#world);
    } finally {
      this.#opening = undefined;
    }
  }
}

/** An exchange that Dovecot runs: what the client says goes there as it is. */
class DovecotExchange implements AuthExchange {
  readonly #backend: DovecotBackend;
  readonly #mechanism: string;
  readonly #session: AuthSession;
  #running: { readonly connection: DovecotConnection; readonly id: number } | undefined;
  #aborted = false;

  constructor(backend: DovecotBackend, mechanism: string, session: AuthSession) {
    this.#backend = backend;
    this.#mechanism = mechanism;
    this.#session = session;
  }

  async step(response: Buffer | undefined): Promise<AuthStep> {
    try {
      const running = this.#running;
      if (running === undefined) return await this.#begin(response);
      return stepOf(await this.#ask(running, printContinue(running.id, response ?? Buffer.alloc(0))));
    } catch (error) {
      if (!(error instanceof DovecotFault)) throw error;
      return temporarily("", [error.message]);
    }
  }

  /** A connection that Dovecot has ended just now is worth a second try. */
  async #begin(response: Buffer | undefined): Promise<AuthStep> {
    for (let attempt = 1;; attempt++) {
      const connection = await this.#backend.connection();
      if (this.#aborted) return LOST;
      // A Dovecot that was started again may have others: it ends the connection of who asks for one that it has not.
      if (!connection.mechanisms.some(({ name }) => name === this.#mechanism)) {
        return fail(DIALOGUE_TEXTS.unknownMechanism);
      }
      const running = this.#running = { connection, id: connection.nextId() };
      const request = printAuth(running.id, this.#mechanism, this.#session, response);
      const answer = await this.#ask(running, request);
      if (answer.is !== "lost" || this.#aborted || attempt > 1) return stepOf(answer);
    }
  }

  #ask(
    { connection, id }: { connection: DovecotConnection; id: number },
    request: string,
  ): MaybeAsync<Answer> {
    if (request.length <= LONGEST_REQUEST) return connection.ask(id, request);
    connection.cancel(id);
    return {
      is: "fail",
      fields: new Map([["reason", "SASL response too long for the authentication server"]]),
    };
  }

  abort(): void {
    this.#aborted = true;
    this.#running?.connection.cancel(this.#running.id);
  }
}

const textOf = (error: unknown) => error instanceof Error ? error.message : String(error);

/** The `dovecot` back end; `name` is smtpd_sasl_path as written. */
export function createDovecotBackend(name: string, to: ConnectTo, world: DovecotWorld): AuthBackend {
  return new DovecotBackend(name, to, world);
}
