import { type Connect, ConnectionPool, ExchangeFault } from "../../platform/socket/connection_pool.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";

/** What saslauthd is asked (saslauthd(8)). */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly service: string;
  readonly realm: string;
}

/** What it answers. */
export type SaslauthdAnswer =
  | { readonly is: "accepted" }
  | { readonly is: "refused" }
  | { readonly is: "trouble"; readonly why: string };

/** The daemon at a socket. */
export interface Saslauthd {
  ask(credentials: Credentials): Promise<SaslauthdAnswer>;
  close(): void;
}

/** How it is reached. */
export interface SaslauthdWorld {
  readonly connect: Connect;
  /** Milliseconds; only differences count. */
  clock(): number;
}

/** Longest that an answer may take, in milliseconds: PAM waits some seconds before it refuses. */
const TIME_LIMIT = 30_000;
/** Questions at a time; more wait. The daemon has five processes. */
const MOST_AT_A_TIME = 20;
/** Questions under way and waiting; who comes then is to come again. */
const MOST = 100;
/** Longest string that its length fits before. */
const LONGEST = 65_535;

function counted(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The question: four strings, each with its length before it. Undefined where one is too long for that. */
export function printQuestion({ username, password, service, realm }: Credentials): Buffer | undefined {
  const parts = [username, password, service, realm];
  return parts.some((part) => Buffer.byteLength(part) > LONGEST)
    ? undefined
    : Buffer.concat(parts.map(counted));
}

/** The answer, one such string: `OK` or `NO`, and more words. */
function readAnswer(received: Buffer) {
  if (received.length < 2) return undefined;
  const length = received.readUInt16BE(0);
  if (received.length < 2 + length) return undefined;
  const word = received.toString("latin1", 2, Math.min(4, 2 + length));
  const reply: SaslauthdAnswer = { is: word === "OK" ? "accepted" : "refused" };
  return { reply, length: 2 + length, isLast: true };
}

/**
 * Opens it. A saslauthd that serves a chroot of Postfix's has its socket below the queue directory: the next path is asked where
 * there is none at the first.
 */
export function openSaslauthd(paths: readonly string[], world: SaslauthdWorld): Saslauthd {
  const pools = paths.map((path) =>
    new ConnectionPool({ path }, {
      timeout: TIME_LIMIT,
      maxIdle: 0,
      maxTtl: 0,
      requestLimit: 1,
      maxConnections: MOST_AT_A_TIME,
      world,
    })
  );
  const askOne = async (bytes: Buffer): Promise<SaslauthdAnswer> => {
    let why = "cannot connect to saslauthd server: No such file or directory";
    for (const pool of pools) {
      try {
        return await pool.exchange({ bytes, read: readAnswer });
      } catch (error) {
        why = troubleOf(error);
        if (!isMissing(error)) break;
      }
    }
    return { is: "trouble", why };
  };
  let asked = 0;
  return {
    async ask(credentials) {
      const bytes = printQuestion(credentials);
      if (bytes === undefined) return { is: "refused" };
      if (asked >= MOST) return { is: "trouble", why: "too many questions for saslauthd at a time" };
      asked++;
      try {
        return await askOne(bytes);
      } finally {
        asked--;
      }
    },
    close: () => pools.forEach((pool) => pool.close()),
  };
}

const isMissing = (error: unknown) =>
  error instanceof ExchangeFault && error.is === "no connection" && errorCode(error.cause) === "ENOENT";

/** In the words of Cyrus. */
function troubleOf(error: unknown): string {
  const is = error instanceof ExchangeFault ? error.is : undefined;
  if (is === "no connection") return `cannot connect to saslauthd server: ${systemErrorText(error)}`;
  return is === "hung up" ? "size read failed" : `saslauthd: ${systemErrorText(error)}`;
}
