import {
  type CheckPassword,
  type ClientLogin,
  type ClientScript,
  endOf,
  malformed,
  NO_MORE_WORDS,
  refused,
  type ServerScript,
} from "./exchange.ts";
import { utf8 } from "../password/utf8.ts";

/** What a PLAIN response says (RFC 4616 §2). */
export interface PlainMessage {
  readonly authorizationId: string;
  readonly username: string;
  readonly password: string;
}

/** Reads `[authzid] NUL authcid NUL passwd`; undefined for anything else. */
export function parsePlain(bytes: Uint8Array): PlainMessage | undefined {
  const parts = utf8(bytes)?.split("\0");
  if (parts?.length !== 3) return undefined;
  const [authorizationId, username, password] = parts as [string, string, string];
  return username === "" || password === "" ? undefined : { authorizationId, username, password };
}

/** Writes it; undefined where a NUL would change who it is. */
export function printPlain({ authorizationId, username, password }: PlainMessage): Buffer | undefined {
  const parts = [authorizationId, username, password];
  return parts.some((part) => part.includes("\0")) ? undefined : Buffer.from(parts.join("\0"));
}

/** The server's side of PLAIN. Nobody acts for another user. */
export async function* plainServer(initial: Buffer | undefined, check: CheckPassword): ServerScript {
  const message = parsePlain(initial ?? (yield Buffer.alloc(0)));
  if (message === undefined) return malformed("invalid PLAIN response");
  const { authorizationId, username, password } = message;
  const verdict = await check(username, password);
  return authorizationId === "" || authorizationId === username
    ? endOf(verdict, username)
    : refused(username);
}

/** The client's side of PLAIN. */
export async function* plainClient({ authorizationId, username, secret }: ClientLogin): ClientScript {
  const response = printPlain({ authorizationId, username, password: secret });
  if (response === undefined) return "the user name or password has a NUL in it";
  yield { response, last: true };
  return NO_MORE_WORDS;
}
