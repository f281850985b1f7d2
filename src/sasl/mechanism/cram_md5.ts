import { hmac, isSameSecret } from "../../platform/crypto/digest.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import {
  type ClientLogin,
  type ClientScript,
  malformed,
  NO_MORE_WORDS,
  refused,
  type ServerScript,
  unavailable,
} from "./exchange.ts";
import { utf8 } from "../password/utf8.ts";

/** The plain secret of a user: this mechanism cannot do with less. */
export type FindSecret = (username: string) => MaybeAsync<
  | { readonly is: "secret"; readonly username: string; readonly secret: string }
  | { readonly is: "none" }
  | { readonly is: "trouble"; readonly why: string }
>;

/** What a response says: `user hexdigest` (RFC 2195 §2). */
export function parseCramMd5(bytes: Uint8Array): { username: string; digest: Buffer } | undefined {
  const match = /^([^\0]+) ([0-9a-f]{32})$/s.exec(utf8(bytes) ?? "");
  return match === null ? undefined : { username: match[1]!, digest: Buffer.from(match[2]!, "hex") };
}

/** The server's side of CRAM-MD5. `challenge` is one that was never used before: `<unique@host>`. */
export async function* cramMd5Server(challenge: string, find: FindSecret): ServerScript {
  const response = parseCramMd5(yield Buffer.from(challenge));
  if (response === undefined) return malformed("invalid CRAM-MD5 response");
  const { username, digest } = response;
  const found = await find(username);
  if (found.is === "trouble") return unavailable(found.why, username);
  const secret = found.is === "secret" ? found.secret : "";
  const right = isSameSecret(digest, hmac("md5", secret, challenge));
  return right && found.is === "secret" ? { is: "done", username: found.username } : refused(username);
}

/** The client's side of CRAM-MD5. */
export async function* cramMd5Client({ username, secret }: ClientLogin): ClientScript {
  const challenge = yield { response: undefined, last: false };
  yield {
    response: Buffer.from(`${username} ${hmac("md5", secret, challenge).toString("hex")}`),
    last: true,
  };
  return NO_MORE_WORDS;
}
