import {
  type ClientLogin,
  type ClientScript,
  malformed,
  NO_MORE_WORDS,
  refused,
  type ServerScript,
} from "./exchange.ts";
import { utf8 } from "../password/utf8.ts";

/** The server's side of EXTERNAL (RFC 4422 appendix A): who it is has been shown already, by a client certificate. */
export async function* externalServer(initial: Buffer | undefined, user: string | undefined): ServerScript {
  const wanted = utf8(initial ?? (yield Buffer.alloc(0)));
  if (wanted === undefined || wanted.includes("\0")) return malformed("invalid EXTERNAL response");
  if (user === undefined) return refused(wanted === "" ? undefined : wanted);
  return wanted === "" || wanted === user ? { is: "done", username: user } : refused(wanted);
}

/** The client's side of EXTERNAL. */
export async function* externalClient({ authorizationId }: ClientLogin): ClientScript {
  yield { response: Buffer.from(authorizationId), last: true };
  return NO_MORE_WORDS;
}
