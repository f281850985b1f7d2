import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import type { AuthTls } from "../../sasl/auth_backend.ts";
import { classed, defer } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { Phase } from "../phase.ts";
import { countTls } from "../policy/client_limits.ts";
import type { LoggedClient, ServerHandshake } from "../service_tls.ts";
import { encryptedFacts, type SessionTls } from "../session_facts.ts";
import { CLOSE, type StartTls, type Step } from "../step.ts";
import { failureLines } from "./failure_lines.ts";

/** Where TLS begins, and what follows. */
export interface Beginning {
  /** Before a word was said (wrapper mode), not at STARTTLS. */
  readonly atOnce: boolean;
  readonly next: Phase;
}

/** How the log names the client of a session. */
export function loggedClient({ facts: { client }, clientText }: Context): LoggedClient {
  return { name: client.name, address: client.address, text: clientText };
}

/** The beginning of TLS; undefined where the service has no certificate to show. */
export function beginTls(context: Context, beginning: Beginning): MaybeAsync<StartTls | undefined> {
  const begun = context.deps.tls?.begin(loggedClient(context));
  return then(begun, (begun) => begun && startTls(context, beginning, begun));
}

function startTls(context: Context, beginning: Beginning, { side, learn }: ServerHandshake): StartTls {
  return {
    is: "startTls",
    side,
    atOnce: beginning.atOnce,
    secured: (handshake) => {
      const known = learn(handshake);
      const over = handshake.reused ? false : countTls(context);
      return then(
        over,
        (over) =>
          over ? tooMany(context, beginning) : secured(context, beginning, known, authTls(handshake, known)),
      );
    },
    failed: (error) => {
      for (const [level, line] of failureLines(error, context.clientText)) {
        context.deps.log.note("smtpd", level, line);
      }
      return then(countTls(context), () => {});
    },
  };
}

/** It is too late to save the work, but the client learns why (smtpd_client_new_tls_session_rate_limit). */
function tooMany(context: Context, { next }: Beginning): Step {
  const { settings: { myhostname }, clientText } = context;
  const text = `${myhostname} Error: too many new TLS sessions from ${clientText}`;
  return { phase: next, reply: classed(defer(421, "4.7.0", text), "policy"), after: CLOSE };
}

/** What mechanisms may know of the connection: a certificate that nobody vouches for names no user. */
function authTls({ channelBinding }: TlsFacts, { peer }: SessionTls): AuthTls {
  return {
    channelBinding: channelBinding ?? (() => undefined),
    certificateUser: peer?.trusted === true && peer.subject !== "" ? peer.subject : undefined,
  };
}

function secured(
  context: Context,
  { atOnce, next }: Beginning,
  tls: SessionTls,
  forAuth: AuthTls,
): MaybeAsync<Step> {
  const facts = encryptedFacts(context.facts, tls, forAuth);
  if (context.facts.hello !== undefined) context.facts.milters?.abort();
  const counted = atOnce ? {} : { counts: "done", counted: "starttls" } as const;
  if (!context.settings.tls.requireCertificate || tls.peer?.trusted === true) {
    return { phase: next, facts, ...counted };
  }
  const why = tls.peer === undefined ? "No client certificate presented" : "Client certificate not trusted";
  context.deps.log.note("smtpd", "info", `NOQUEUE: abort: TLS from ${context.clientText}: ${why}`);
  const reply = classed(defer(421, "4.7.1", `${context.settings.myhostname} Error: ${why}`), "policy");
  return { phase: next, facts, reply, after: CLOSE, ...counted };
}
