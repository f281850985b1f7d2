import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { AuthExchange, AuthStep } from "../auth_backend.ts";

/** What the server's side of a mechanism comes to. */
export type ServerEnd = Exclude<AuthStep, { readonly is: "challenge" }>;

/** The server's side of a mechanism, as it is read: it yields challenges, is given responses, and returns who it was. */
export type ServerScript = AsyncGenerator<Buffer, ServerEnd, Buffer>;

/** Begins a script; `initial` is the response that came with the command, undefined for none. */
export type StartServer = (initial: Buffer | undefined) => ServerScript;

/** Postfix's text for a failure that nobody says more about: Cyrus and Dovecot give none for a wrong password. */
export const NO_REASON = "";

/** A refusal. Whether the user is unknown or the password wrong is told to nobody. */
export function refused(username: string | undefined): ServerEnd {
  return { is: "failed", reason: NO_REASON, username };
}

/** A response that is not what the mechanism's grammar wants. */
export function malformed(reason: string, username?: string): ServerEnd {
  return { is: "failed", reason, username };
}

/** Nobody could be asked. */
export function unavailable(warning: string, username?: string): ServerEnd {
  return {
    is: "failed",
    reason: NO_REASON,
    username,
    temporary: true,
    warnings: [warning],
  };
}

/** A script as an exchange of smtpd's. */
export function exchangeOf(start: StartServer): AuthExchange {
  let script: ServerScript | undefined;
  return {
    step: async (response) => {
      const next = script === undefined
        ? await (script = start(response)).next(Buffer.alloc(0))
        : await script.next(response ?? Buffer.alloc(0));
      return next.done === true ? next.value : { is: "challenge", challenge: next.value };
    },
    abort: () => {
      // A step under way goes on to its end, and its answer is nobody's.
      void script?.return({ is: "failed", reason: "" }).catch(() => {});
    },
  };
}

/** What the client's side of a mechanism says next. */
export interface ClientWords {
  /** Undefined: this mechanism waits for the server's first word. */
  readonly response: Buffer | undefined;
  /** The server may agree to this. Where it may not, a server that agrees all the same has proved nothing of what it should. */
  readonly last: boolean;
}

/** The client's side: it yields responses, is given challenges, and returns why it cannot go on. */
export type ClientScript = AsyncGenerator<ClientWords, string, Buffer>;

/** Why a client stops whose mechanism has no more to say, in Cyrus' words. */
export const NO_MORE_WORDS = "generic failure";

/** What the client logs in with. */
export interface ClientLogin {
  readonly username: string;
  /** A password, or a token. */
  readonly secret: string;
  /** Who to act for; "" for the user himself. */
  readonly authorizationId: string;
}

/** Answers whether a password is the user's. */
export type CheckPassword = (username: string, password: string) => MaybeAsync<PasswordVerdict>;

/** What comes of a password or token. */
export type PasswordVerdict =
  | { readonly is: "accepted"; readonly username: string }
  | { readonly is: "refused" }
  | { readonly is: "trouble"; readonly why: string };

/** The end of an exchange that a verdict decides. */
export function endOf(verdict: PasswordVerdict, username: string): ServerEnd {
  switch (verdict.is) {
    case "accepted":
      return { is: "done", username: verdict.username };
    case "refused":
      return refused(username);
    case "trouble":
      return unavailable(verdict.why, username);
  }
}
