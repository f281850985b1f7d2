import type { MaybeAsync } from "../../base/maybe_async.ts";
import {
  type ClientLogin,
  type ClientScript,
  endOf,
  malformed,
  NO_MORE_WORDS,
  type PasswordVerdict,
  type ServerScript,
} from "./exchange.ts";
import { decodeName, encodeName } from "./gs2_name.ts";
import { utf8 } from "../password/utf8.ts";

/** Answers whether a token is good, and for which user: the one who is named, where one is. */
export type CheckToken = (token: string, username: string) => MaybeAsync<PasswordVerdict>;

/** What a client says (RFC 7628 §3.1; XOAUTH2 as Google wrote it down). */
export interface BearerMessage {
  /** "" where the token alone says who it is. */
  readonly username: string;
  readonly token: string;
}

const SEPARATOR = "\x01";

/** The `key=value` pairs between the separators, the last of which stands twice. */
function pairsOf(text: string): ReadonlyMap<string, string> | undefined {
  if (!text.endsWith(SEPARATOR + SEPARATOR)) return undefined;
  const pairs = new Map<string, string>();
  for (const pair of text.slice(0, -2).split(SEPARATOR)) {
    const match = /^([A-Za-z]+)=(.*)$/s.exec(pair);
    if (match === null || pairs.has(match[1]!)) return undefined;
    pairs.set(match[1]!, match[2]!);
  }
  return pairs;
}

/** A token of RFC 6750 §2.1 behind the word Bearer. */
function bearerIn(value: string | undefined): string | undefined {
  return /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(value ?? "")?.[1];
}

/** Reads `n,a=user,^Ahost=...^Aauth=Bearer ...^A^A`; channel binding is not defined for it. */
export function parseOAuthBearer(bytes: Uint8Array): BearerMessage | undefined {
  const match = /^[ny],(?:a=([^,]*))?,\x01(.*)$/s.exec(utf8(bytes) ?? "");
  if (match === null) return undefined;
  const username = decodeName(match[1] ?? "");
  const token = bearerIn(pairsOf(match[2]!)?.get("auth"));
  return username === undefined || token === undefined ? undefined : { username, token };
}

/** Reads `user=...^Aauth=Bearer ...^A^A`. */
export function parseXOAuth2(bytes: Uint8Array): BearerMessage | undefined {
  const pairs = pairsOf(utf8(bytes) ?? "");
  const [username, token] = [pairs?.get("user"), bearerIn(pairs?.get("auth"))];
  return username === undefined || token === undefined || username.includes("\0")
    ? undefined
    : { username, token };
}

/** Writes the response of OAUTHBEARER. */
export function printOAuthBearer({ username, token }: BearerMessage, host: string, port: number): Buffer {
  return Buffer.from(
    `n,a=${encodeName(username)},\x01host=${host}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`,
  );
}

/** Writes the response of XOAUTH2. */
export function printXOAuth2({ username, token }: BearerMessage): Buffer {
  return Buffer.from(`user=${username}\x01auth=Bearer ${token}\x01\x01`);
}

/** What the two differ in. */
interface Dialect {
  readonly name: string;
  readonly parse: (bytes: Uint8Array) => BearerMessage | undefined;
  /** Why a token is refused, for programs (RFC 7628 §3.2.2). */
  readonly refusal: string;
}

const OAUTHBEARER: Dialect = {
  name: "OAUTHBEARER",
  parse: parseOAuthBearer,
  refusal: JSON.stringify({ status: "invalid_token" }),
};
const XOAUTH2: Dialect = {
  name: "XOAUTH2",
  parse: parseXOAuth2,
  refusal: JSON.stringify({ status: "401", schemes: "bearer" }),
};

/** A refusal is told in a challenge, and the client's answer to that counts for nothing (RFC 7628 §3.2.3). */
async function* bearerServer(dialect: Dialect, initial: Buffer | undefined, check: CheckToken): ServerScript {
  const message = dialect.parse(initial ?? (yield Buffer.alloc(0)));
  if (message === undefined) return malformed(`invalid ${dialect.name} response`);
  const { username, token } = message;
  const verdict = await check(token, username);
  if (verdict.is === "refused") yield Buffer.from(dialect.refusal);
  return endOf(verdict, username);
}

/** The server's side of OAUTHBEARER (RFC 7628). */
export function oauthBearerServer(initial: Buffer | undefined, check: CheckToken): ServerScript {
  return bearerServer(OAUTHBEARER, initial, check);
}

/** The server's side of XOAUTH2. */
export function xoauth2Server(initial: Buffer | undefined, check: CheckToken): ServerScript {
  return bearerServer(XOAUTH2, initial, check);
}

/** The client's side of OAUTHBEARER: an error that comes as a challenge is acknowledged, and refused after that. */
export async function* oauthBearerClient(login: ClientLogin, host: string, port: number): ClientScript {
  const { username, secret } = login;
  yield { response: printOAuthBearer({ username, token: secret }, host, port), last: true };
  yield { response: Buffer.from(SEPARATOR), last: false };
  return NO_MORE_WORDS;
}

/** The client's side of XOAUTH2. */
export async function* xoauth2Client({ username, secret }: ClientLogin): ClientScript {
  yield { response: printXOAuth2({ username, token: secret }), last: true };
  yield { response: Buffer.alloc(0), last: false };
  return NO_MORE_WORDS;
}
