import {
  type CheckPassword,
  type ClientLogin,
  type ClientScript,
  endOf,
  malformed,
  NO_MORE_WORDS,
  type ServerScript,
} from "./exchange.ts";
import { utf8 } from "../password/utf8.ts";

/** Clients look at these words, though nothing defines them but custom (draft-murchison-sasl-login-00). */
const USERNAME = Buffer.from("Username:");
const PASSWORD = Buffer.from("Password:");

/** The server's side of LOGIN: what PLAIN says, in two answers. */
export async function* loginServer(initial: Buffer | undefined, check: CheckPassword): ServerScript {
  const username = utf8(initial === undefined || initial.length === 0 ? yield USERNAME : initial);
  if (username === undefined || username === "" || username.includes("\0")) {
    return malformed("invalid LOGIN user name");
  }
  const password = utf8(yield PASSWORD);
  if (password === undefined || password === "" || password.includes("\0")) {
    return malformed("invalid LOGIN password", username);
  }
  return endOf(await check(username, password), username);
}

/** The client's side of LOGIN: some servers put other words, so that only their order counts. */
export async function* loginClient({ username, secret }: ClientLogin): ClientScript {
  yield { response: undefined, last: false };
  yield { response: Buffer.from(username), last: false };
  yield { response: Buffer.from(secret), last: true };
  return NO_MORE_WORDS;
}
