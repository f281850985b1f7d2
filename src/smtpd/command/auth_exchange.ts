import { decodeBase64 } from "../../base/base64.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { printable } from "../../base/printable.ts";
import type { AuthStep } from "../../sasl/auth_backend.ts";
import { accept, classed, defer, refuse, type Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { countFailure, countSuccess } from "../policy/login_failures.ts";
import type { Input } from "../input.ts";
import type { PhaseAt } from "../phase.ts";
import type { Counts, Step } from "../step.ts";
import { takeLine } from "../take_line.ts";

/** A login under way. */
export type Attempt = Omit<PhaseAt<"authenticating">, "at">;

const DONE = accept(235, "2.7.0", "Authentication successful");
const ABORTED = classed(refuse(501, "5.7.0", "Authentication aborted"), "none");
const TOO_LONG = classed(refuse(500, "5.5.6", "SASL response limit exceeded"), "none");

// How much of what a client says of itself is logged.
const SHOWN = 100;

type Failed = Extract<AuthStep, { readonly is: "failed" }>;

function refusalFor({ temporary }: Failed, reason: string): Reply {
  // RFC 4954 §6.
  if (temporary) return classed(defer(454, "4.7.0", `Temporary authentication failure: ${reason}`), "none");
  return classed(refuse(535, "5.7.8", `Error: authentication failed: ${reason}`), "none");
}

/** Says that a login has come to nothing, in the words that fail2ban looks for. Answers the reason. */
export function logFailure(
  { deps: { log }, clientText: client }: Context,
  mechanism: string,
  failed: Failed,
): string {
  const reason = printable(failed.reason) || "(reason unavailable)";
  for (const warning of failed.warnings ?? []) log.note("smtpd", "warning", warning);
  log.emit("smtpd", "saslFailed", {
    client,
    mechanism: printable(mechanism).slice(0, SHOWN),
    reason,
    temporary: failed.temporary === true,
    username: printable(failed.username ?? "(unavailable)").slice(0, SHOWN),
  });
  return reason;
}

/** A login that has come to nothing. */
export function failure(
  context: Context,
  { back, mechanism }: Pick<Attempt, "back" | "mechanism">,
  failed: Failed,
  counts: "bad" | "failed",
): Step {
  const reason = logFailure(context, mechanism, failed);
  return { phase: back, reply: refusalFor(failed, reason), counts, counted: "auth" };
}

/** A failure that the back end tells of counts against the client and the user, but for its own trouble. */
function failed(
  context: Context,
  attempt: Attempt,
  step: Failed,
  counts: "bad" | "failed",
): MaybeAsync<Step> {
  const told = failure(context, attempt, step, counts);
  if (step.temporary) return told;
  return then(
    countFailure(context, step.username),
    ({ delay, refusal }) => ({ ...told, delay, reply: refusal?.reply ?? told.reply }),
  );
}

/** What follows from a back end's answer: to the command itself (`first`), or to one of the responses after it. */
export function goOn(
  context: Context,
  attempt: Attempt,
  step: AuthStep,
  turn: "first" | "later",
): MaybeAsync<Step> {
  const counts = (good: Counts, bad: Counts) => turn === "first" ? good : bad;
  switch (step.is) {
    case "challenge": {
      const reply = accept(334, undefined, step.challenge.toString("base64"));
      const phase = { at: "authenticating", ...attempt } as const;
      return { phase, reply, ...(turn === "first" && { counts: "neither", counted: "auth" }) };
    }
    case "failed":
      return failed(context, attempt, step, turn === "first" ? "bad" : "failed");
    case "done": {
      const login = { method: printable(attempt.mechanism), username: printable(step.username) };
      const facts = { ...context.facts, login };
      const done = {
        phase: attempt.back,
        facts,
        reply: DONE,
        counts: counts("good", "done"),
        counted: "auth",
      } as const;
      return then(countSuccess(context, step.username), (refusal) => {
        if (refusal === undefined) return done;
        logFailure(context, attempt.mechanism, {
          is: "failed",
          reason: refusal.why,
          username: step.username,
        });
        return {
          phase: attempt.back,
          reply: refusal.reply,
          counts: counts("bad", "failed"),
          counted: "auth",
        };
      });
    }
  }
}

function giveUp({ back, exchange }: Attempt, reply: Reply): Step {
  exchange.abort();
  return { phase: back, reply, counts: "failed", counted: "auth" };
}

/** Takes the client's response to a challenge; undefined while there is none. A NUL ends it early, as a command. */
export function takeResponse(
  { at: _, ...attempt }: PhaseAt<"authenticating">,
  context: Context,
  input: Input,
): MaybeAsync<Step> | undefined {
  const limit = context.settings.saslResponseLimit;
  const line = takeLine(context, input, limit, true);
  if (line === undefined) return undefined;
  if (line.length > limit) return giveUp(attempt, TOO_LONG);
  const text = line.toString("latin1").replace(/\0.*|\r$/s, "");
  const { mechanism, exchange, texts } = attempt;
  if (text === "*") {
    const { deps: { log }, clientText: client } = context;
    log.emit("smtpd", "saslAborted", { client, mechanism: printable(mechanism).slice(0, SHOWN) });
    return giveUp(attempt, ABORTED);
  }
  const response = decodeBase64(text);
  if (response === undefined) {
    exchange.abort();
    return failure(context, attempt, { is: "failed", reason: texts.badContinuedResponse }, "failed");
  }
  return then(exchange.step(response), (step) => goOn(context, attempt, step, "later"));
}
