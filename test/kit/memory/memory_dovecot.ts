// A Dovecot in memory: its auth socket's protocol as Dovecot 2.3 speaks it, with PLAIN, LOGIN and ANONYMOUS for a few users.
import type { Clock } from "../../../src/base/clock.ts";
import type { Settings } from "../../../src/config/parameters/settings_type.ts";
import type { Log } from "../../../src/observe/log.ts";
import type { Connection, ConnectionHandler } from "../../../src/platform/socket/connection.ts";
import type { Connect } from "../../../src/platform/socket/connection_pool.ts";
import type { OpenTables } from "../../../src/rewrite/open_tables.ts";
import { openBackend } from "../../../src/sasl/open_backend.ts";
import { readBackend } from "../../../src/sasl/read_backend.ts";
import { createAuthServer } from "../../../src/smtpd/create_auth_server.ts";
import type { SmtpdDeps } from "../../../src/smtpd/deps.ts";

/** Names and passwords, as Dovecot's passwd-file of the tests has them. */
export const DOVECOT_USERS: Readonly<Record<string, string>> = { alice: "secret", bob: "pass word" };

const MECHANISMS = [
  "PLAIN\tplaintext",
  "LOGIN\tplaintext",
  "CRAM-MD5\tdictionary\tactive",
  "ANONYMOUS\tanonymous",
  "SECRET\tprivate",
];

export interface MemoryDovecot {
  readonly connect: Connect;
  /** All that clients have said, line by line. */
  readonly heard: string[];
  /** How many connections were opened. */
  readonly connections: number;
  /** What it says of its mechanisms. */
  mechanisms: readonly string[];
  /** Ends all connections, as a restart does. */
  restart(): void;
  /** From now on nothing is answered. */
  silent: boolean;
  /** From now on nobody listens. */
  gone: boolean;
  /** Sends a line to every client. */
  say(line: string): void;
}

/** What an exchange waits for. */
type Waiting = { readonly for: "plain" | "login name" | "cram" } | {
  readonly for: "login password";
  readonly name: string;
};

const encode = (text: string) => Buffer.from(text).toString("base64");
const decode = (text: string) => Buffer.from(text === "=" ? "" : text, "base64").toString("latin1");

/** One connection: answers lines with lines. */
class Conversation {
  readonly #waiting = new Map<string, Waiting>();

  answer(line: string): string[] {
    const [verb, id = "", ...words] = line.split("\t");
    if (verb === "AUTH") return this.#begin(id, words);
    if (verb === "CANCEL") this.#waiting.delete(id);
    return verb === "CONT" ? this.#goOn(id, words[0] ?? "") : [];
  }

  #wait(id: string, waiting: Waiting, challenge: string): string[] {
    this.#waiting.set(id, waiting);
    return [`CONT\t${id}\t${encode(challenge)}`];
  }

  #begin(id: string, [mechanism, ...words]: readonly string[]): string[] {
    const response = words.find((word) => word.startsWith("resp="))?.slice(5);
    if (mechanism === "ANONYMOUS") return [`OK\t${id}\tuser=anonymous`];
    if (mechanism === "CRAM-MD5") return this.#wait(id, { for: "cram" }, "<1.2@mail.example.com>");
    if (mechanism === "PLAIN") {
      return response === undefined ? this.#wait(id, { for: "plain" }, "") : this.#plain(id, response);
    }
    const name = response === undefined ? "" : decode(response);
    if (name === "") return this.#wait(id, { for: "login name" }, "Username:");
    return this.#wait(id, { for: "login password", name }, "Password:");
  }

  #goOn(id: string, response: string): string[] {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    switch (waiting?.for) {
      case "plain":
        return this.#plain(id, response);
      case "login name": {
        const name = decode(response);
        if (name === "") return [`FAIL\t${id}\tuser=`];
        return this.#wait(id, { for: "login password", name }, "Password:");
      }
      case "login password":
        return this.#judge(id, waiting.name, decode(response));
      default:
        return [`FAIL\t${id}`];
    }
  }

  #plain(id: string, response: string): string[] {
    const [, name, password] = decode(response).split("\0");
    return name === undefined || password === undefined ? [`FAIL\t${id}`] : this.#judge(id, name, password);
  }

  #judge(id: string, name: string, password: string): string[] {
    const good = Object.hasOwn(DOVECOT_USERS, name) && DOVECOT_USERS[name] === password;
    return [
      `${good ? "OK" : "FAIL"}\t${id}\tuser=${name.replaceAll("\x01", "\x011").replaceAll("\t", "\x01t")}`,
    ];
  }
}

/** Starts it. */
export function memoryDovecot(): MemoryDovecot {
  const handlers = new Set<ConnectionHandler>();
  const dovecot = {
    heard: [] as string[],
    connections: 0,
    mechanisms: MECHANISMS as readonly string[],
    silent: false,
    gone: false,
    restart() {
      for (const handler of [...handlers]) handler.close(undefined);
      handlers.clear();
    },
    say(line: string) {
      for (const handler of handlers) handler.data(Buffer.from(`${line}\n`));
    },
    connect: (
      _to: unknown,
      _options: unknown,
      handlerOf: (connection: Connection) => ConnectionHandler,
    ): Promise<Connection> => {
      if (dovecot.gone) {
        return Promise.reject(Object.assign(new Error("connect ENOENT"), { code: "ENOENT", errno: -2 }));
      }
      dovecot.connections++;
      const conversation = new Conversation();
      let open = true;
      const say = (lines: readonly string[]) => {
        if (lines.length > 0 && open && !dovecot.silent) {
          queueMicrotask(() => handler.data(Buffer.from(lines.map((line) => `${line}\n`).join(""))));
        }
      };
      const connection = {
        write(bytes: string) {
          for (const line of bytes.split("\n").filter((each) => each !== "")) {
            dovecot.heard.push(line);
            if (line.startsWith("CPID\t")) {
              const greeting = ["VERSION\t1\t2", ...dovecot.mechanisms.map((each) => `MECH\t${each}`)];
              say([...greeting, "SPID\t1", "CUID\t1", "COOKIE\tx", "DONE"]);
            } else if (!line.startsWith("VERSION\t")) say(conversation.answer(line));
          }
          return true;
        },
        destroy() {
          open = false;
          handlers.delete(handler);
        },
      } as unknown as Connection;
      const handler = handlerOf(connection);
      handlers.add(handler);
      return Promise.resolve(connection);
    },
  };
  return dovecot;
}

/** AUTH of a service in memory, where its main.cf wants one. */
export function memoryAuth(
  settings: Settings,
  openTables: OpenTables,
  log: Log,
  clock: Clock,
  dovecot: MemoryDovecot = memoryDovecot(),
): Pick<SmtpdDeps, "auth"> {
  if (!settings.smtpd_sasl_auth_enable) return {};
  const wanted = readBackend(settings, () => undefined);
  if (wanted.is === "none" || wanted.is === "bad") return {};
  const backend = openBackend(wanted, settings, {
    connect: dovecot.connect,
    clock,
    clientNumber: () => 4_200_000,
    users: () => openTables.maps(settings.sasl_users, "sasl_users")?.whole,
    bind: () => undefined,
    files: {},
    askHttp: async () => ({ is: "trouble", why: "nobody is asked here" }),
  });
  return { auth: createAuthServer(backend, settings, openTables, log) };
}
