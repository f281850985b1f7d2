import { decodeBase64 } from "../../base/base64.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { classed, refuse, type Reply } from "../../smtp/reply.ts";
import type { AuthOffer, AuthServer } from "../auth_server.ts";
import type { Context } from "../context.ts";
import type { CommandPhase, PhaseAt } from "../phase.ts";
import { standingRefusalFor } from "../policy/ask_milters.ts";
import { authFor, authPeerOf, learnOffer } from "../policy/auth_offer.ts";
import { overRate } from "../policy/client_limits.ts";
import { admitLogin, type LoginRefusal } from "../policy/login_failures.ts";
import { answer, dismissal, type Step } from "../step.ts";
import { type Attempt, failure, goOn, logFailure } from "./auth_exchange.ts";

const HELLO_FIRST = classed(refuse(503, "5.5.1", "Error: send HELO/EHLO first"), "policy");
const DISABLED = refuse(503, "5.5.1", "Error: authentication not enabled");
const IN_TRANSACTION = refuse(503, "5.5.1", "Error: MAIL transaction in progress");
const ALREADY = refuse(503, "5.5.1", "Error: already authenticated");
const SYNTAX = refuse(501, "5.5.4", "Syntax: AUTH mechanism");

/** The phases in which a client may log in. */
type Outside = PhaseAt<"ready" | "discarding">;

const isOutside = (phase: CommandPhase): phase is Outside =>
  phase.at === "ready" || phase.at === "discarding";

/** What refuses AUTH where it comes, in Postfix's order. */
function refusalHere(
  phase: CommandPhase,
  context: Context,
  server: AuthServer | undefined,
  words: number,
): Reply | undefined {
  const { facts, settings } = context;
  if (settings.heloRequired && facts.hello === undefined) return HELLO_FIRST;
  if (server === undefined || facts.withheld.has("AUTH")) return DISABLED;
  if (!isOutside(phase)) return IN_TRANSACTION;
  const standing = standingRefusalFor(context);
  if (standing !== undefined) return standing;
  if (facts.login !== undefined) return ALREADY;
  return words < 2 || words > 3 ? SYNTAX : undefined;
}

/** AUTH begins a login (RFC 4954 §4). Whatever becomes of it, it counts (smtpd_client_auth_rate_limit). */
export function auth(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  return then(
    overRate(context, "auth"),
    (slow) => slow === undefined ? admit(phase, context, words) : answer(phase, slow),
  );
}

function admit(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  const server = authFor(context);
  const refusal = refusalHere(phase, context, server, words.length);
  if (refusal !== undefined || server === undefined || !isOutside(phase)) {
    return answer(phase, refusal ?? DISABLED);
  }
  const [, mechanism = "", initial] = words;
  return then(learnOffer(context, phase), (learned) => {
    if ("end" in learned) return learned.end;
    const { offer } = learned;
    // What is learnt here is known from now on, whatever becomes of the login.
    const facts = { ...context.facts, offer };
    const beginning = { phase, server, offer, mechanism, initial };
    return then(admitLogin(context), (admitted) => {
      if ("reply" in admitted) return turnAway(context, beginning, admitted);
      return then(
        begin(context, beginning, admitted.rank),
        (step) => ({ ...step, facts: step.facts ?? facts }),
      );
    });
  });
}

/** The log has it as a failure, so that whoever watches that (fail2ban) sees who goes on. */
function turnAway(context: Context, { phase, mechanism }: Beginning, { why, reply }: LoginRefusal): Step {
  logFailure(context, mechanism, { is: "failed", reason: why });
  return { ...dismissal(phase, reply), counts: "bad", counted: "auth" };
}

interface Beginning {
  readonly phase: Outside;
  readonly server: AuthServer;
  readonly offer: AuthOffer | undefined;
  /** As the client spells it. */
  readonly mechanism: string;
  readonly initial: string | undefined;
}

function begin(
  context: Context,
  { phase, server, offer, mechanism, initial }: Beginning,
  rank: 0 | 1 | 2,
): MaybeAsync<Step> {
  const { texts } = server;
  const fail = (reason: string) =>
    failure(context, { back: phase, mechanism }, { is: "failed", reason }, "bad");
  const name = mechanism.toUpperCase();
  if (offer?.mechanisms.has(name) !== true) return fail(texts.unknownMechanism);
  // `=` is an empty response (RFC 4954 §4).
  const response = initial === undefined ? undefined : decodeBase64(initial === "=" ? "" : initial);
  if (initial !== undefined && response === undefined) return fail(texts.badInitialResponse);
  const attempt: Attempt = {
    back: phase,
    mechanism,
    texts,
    exchange: server.begin(name, { ...authPeerOf(context), rank }),
  };
  return then(attempt.exchange.step(response), (step) => goOn(context, attempt, step, "first"));
}
