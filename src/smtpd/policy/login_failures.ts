import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { classed, defer, type Reply } from "../../smtp/reply.ts";
import type { LoginAccount, LoginVerdict } from "../deps.ts";
import type { Context } from "../context.ts";

/** Nothing is known against a client that is not counted. */
const GOOD: LoginVerdict = { refusedFor: 0, delay: 0, rank: 0 };

/** Why a login is refused that nobody has looked at: for the log, and for the client. */
export interface LoginRefusal {
  readonly why: string;
  readonly reply: Reply;
}

function ask(
  { deps: { logins, listed }, facts: { client } }: Context,
  question: (logins: LoginAccount, address: string) => MaybeAsync<LoginVerdict>,
): MaybeAsync<LoginVerdict> {
  if (logins === undefined) return GOOD;
  return then(
    listed("login_failure_exceptions", client),
    (excepted) => excepted ? GOOD : question(logins, client.address),
  );
}

const minutes = (seconds: number) => `${Math.ceil(seconds / 60)} min`;

/** Whether the client may try to log in now, and where its password waits (login_failure_limit, login_failure_network_limit). */
export function admitLogin(
  context: Context,
): MaybeAsync<LoginRefusal | { readonly rank: LoginVerdict["rank"] }> {
  const asked = ask(context, (logins, address) => logins.begin(address));
  return then(asked, ({ refusedFor, rank }) => {
    if (refusedFor === 0) return { rank };
    const why = `too many failed logins from ${context.facts.client.address}`;
    const text = `${context.settings.myhostname} Error: ${why}, try again in ${minutes(refusedFor)}`;
    return { why, reply: classed(defer(421, "4.7.0", text), "policy") };
  });
}

function userRefusal({ refusedFor }: LoginVerdict): LoginRefusal | undefined {
  if (refusedFor === 0) return undefined;
  const why = "too many failed logins as this user";
  const text = `Temporary authentication failure: ${why}, try again in ${minutes(refusedFor)}`;
  return { why, reply: classed(defer(454, "4.7.0", text), "policy") };
}

/** Counts a login that has worked; the refusal of a user who is guessed at (login_failure_user_limit). */
export function countSuccess(context: Context, user: string): MaybeAsync<LoginRefusal | undefined> {
  return then(ask(context, (logins, address) => logins.passed(address, user)), userRefusal);
}

/**
 * Counts a failure: how long the answer is held back, in milliseconds; who guesses at a user that is refused hears what everybody hears
 * then.
 */
export function countFailure(
  context: Context,
  user: string | undefined,
): MaybeAsync<{ readonly delay: number; readonly refusal: LoginRefusal | undefined }> {
  return then(
    ask(context, (logins, address) => logins.failed(address, user)),
    (verdict) => ({ delay: verdict.delay * 1000, refusal: userRefusal(verdict) }),
  );
}
