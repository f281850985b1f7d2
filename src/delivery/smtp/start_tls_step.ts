import type {
  ClientTlsEngine,
  HandshakeJudgement,
  PreparedHandshake,
  TlsServer,
} from "../../tls/client/client_engine.ts";
import { type ClientTlsPolicy, isOptional, mustMatch } from "../../tls/client_policy.ts";
import type { ClientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import { failureLines, handshakeLines, startLines } from "../../tls/client/handshake_lines.ts";
import { isLost, type Session } from "./client_session.ts";
import { type Failure, localFailure, refusal } from "./failure.ts";
import { demandsTls, type RequireTlsLevel } from "./tls/requiretls_policy.ts";
import { NOT_MET, unknownNote } from "./tls/sender_wishes.ts";
import type { SessionReport } from "./tls/session_report.ts";
import { lostFailure, type OpeningContext, type OpeningStep } from "./opening.ts";

/** What the steps towards TLS go by. */
export interface OpeningTls {
  readonly settings: ClientTlsSettings;
  readonly engine: ClientTlsEngine;
  readonly policy: ClientTlsPolicy;
  readonly server: Omit<TlsServer, "helo">;
  /** A handshake is over, well or not well enough. */
  readonly judged: (judged: HandshakeJudgement) => void;
  /** How the sender's REQUIRETLS is taken, and the message, for the log. */
  readonly requireTls: RequireTlsLevel;
  readonly id: string;
  /** Who is told what becomes of TLS. */
  readonly report: SessionReport | undefined;
}

/** Says STARTTLS where it is offered and wanted, then hello again; without it the mail goes on in the clear only where it may. */
export function startTls(tls: OpeningTls, hello: OpeningStep): OpeningStep {
  return async (session, context) => {
    const { policy, settings } = tls;
    if (policy.level === "none") {
      if (session.features.startTls && settings.noteOffer) {
        context.note(`Host offered STARTTLS: [${session.peer.host}]`);
      }
      session.tlsStatus?.inClear();
      return undefined;
    }
    const unavailable = session.features.startTls ? tls.engine.unavailable() : undefined;
    tls.report?.hello(session.features.name);
    if (session.features.startTls && unavailable === undefined) {
      const refused = await askFor(session, tls);
      if (refused !== "go") return refused;
      return await shakeHands(session, context, tls) ?? await hello(session, context);
    }
    if (!session.features.startTls) {
      tls.report?.failed({ type: "starttls-not-supported" });
      if (goesOnInClear(session, tls)) return undefined;
      if (demandsTls(tls.requireTls)) return NOT_MET.notOffered(session.name);
    } else if (goesOnInClear(session, tls)) return undefined;
    return session.features.startTls
      ? localFailure("4.7.5", "TLS is required, but our TLS engine is unavailable")
      : localFailure("4.7.4", `TLS is required, but was not offered by host ${session.name}`);
  };
}

/** TLS from the first byte (smtp_tls_wrappermode). */
export function wrapInTls(tls: OpeningTls): OpeningStep {
  return async (session, context) => await shakeHands(session, context, tls);
}

/** Whether mail may go on without TLS, where that cannot be had; the delivery line will tell. */
function goesOnInClear(session: Session, { policy, requireTls, engine }: OpeningTls): boolean {
  const isDemanded = demandsTls(requireTls);
  if (isOptional(policy.level) && !isDemanded) {
    session.tlsStatus?.inClear();
    return true;
  }
  if (session.features.startTls && engine.unavailable() !== undefined) return false;
  if (isDemanded) session.tlsStatus?.requireTls("nostarttls", false);
  if (!isOptional(policy.level)) session.tlsStatus?.level(policy.level, false);
  return false;
}

/** Answers what follows from a refusal: the clear, where that is allowed. */
async function askFor(session: Session, tls: OpeningTls): Promise<Failure | undefined | "go"> {
  const { settings, report, requireTls } = tls;
  await session.command("STARTTLS\r\n");
  const reply = await session.reply(settings.startTlsTimeout);
  if (isLost(reply)) return lostFailure(session, reply, "receiving the STARTTLS response");
  if (reply.code >= 200 && reply.code < 300) return "go";
  session.features = { ...session.features, startTls: false };
  report?.failed({ type: "starttls-not-supported" });
  if (goesOnInClear(session, tls)) return undefined;
  if (demandsTls(requireTls)) return NOT_MET.refused(session.name, reply.text);
  session.refused(reply);
  const text = `TLS is required, but host ${session.name} refused to start TLS: ${reply.text}`;
  return refusal(session.peer.host, reply, text);
}

const NO_HANDSHAKE: Failure = {
  ...localFailure("4.7.5", "Cannot start TLS: handshake failure"),
  brokenTls: "handshake",
};

async function shakeHands(
  session: Session,
  context: OpeningContext,
  tls: OpeningTls,
): Promise<Failure | undefined> {
  const { engine, policy, settings } = tls;
  const server = { ...tls.server, helo: session.features.name };
  const prepared = engine.prepare(policy, server);
  if ("problem" in prepared) {
    context.warn(prepared.problem);
    return spoiled(session);
  }
  prepared.warnings.forEach(context.warn);
  startLines(settings, server, prepared).forEach(context.note);
  let judged: HandshakeJudgement;
  try {
    judged = prepared.judge(await session.startTls(prepared.side, settings.startTlsTimeout));
  } catch (error) {
    tls.report?.failed({ type: "validation-failure", reason: "tls-handshake-failure" });
    failed(session, context, prepared, error);
    return spoiled(session);
  }
  handshakeLines(settings, policy, server, judged).forEach(context.note);
  tls.judged(judged);
  tls.report?.judged(judged);
  session.reusable &&= policy.connectionReuse;
  session.announcesEsmtp = true;
  const isRight = !mustMatch(policy.level) || judged.isEnough;
  session.tlsStatus?.level(policy.level, isRight);
  if (isRight) return undefined;
  session.tlsStatus?.requireTls("nocertmatch", tls.requireTls !== "enforce");
  if (tls.requireTls === "enforce") return NOT_MET.notVerified(session.name, isTrusted(judged));
  return localFailure("4.7.5", "Server certificate not verified");
}

/** An authority vouches for the certificate, though it may be for somebody else. */
function isTrusted({ verdict }: HandshakeJudgement): boolean {
  if (verdict === undefined) return false;
  return verdict.is === "trusted" || verdict.trouble.is === "name-mismatch" ||
    verdict.trouble.is === "address-mismatch";
}

/** Behind STARTTLS the server says whether it takes part in REQUIRETLS (RFC 8689 §4.2.1). */
export function checkRequireTls(tls: OpeningTls): OpeningStep {
  return async (session, context) => {
    if (tls.requireTls === "disable" || session.tls === undefined) return undefined;
    if (session.features.requireTls) {
      const isVerified = session.tls.trust === "Verified";
      session.tlsStatus?.requireTls(isVerified ? "requiretls" : "nocertmatch", true);
      return undefined;
    }
    session.tlsStatus?.requireTls("none", tls.requireTls !== "enforce");
    if (tls.requireTls === "enforce") return NOT_MET.unknown(session.name);
    context.note(`${tls.id}: ${unknownNote(session.name)}`);
    return undefined;
  };
}

/** The server waits for a handshake, or is in the middle of one: nothing can be said to it any more. */
function spoiled(session: Session): Failure {
  session.abort();
  return NO_HANDSHAKE;
}

function failed(
  session: Session,
  context: OpeningContext,
  prepared: PreparedHandshake,
  error: unknown,
): void {
  prepared.failed();
  const { note, warning } = failureLines(error, session.relay);
  context.note(note);
  if (warning !== undefined) context.warn(warning);
}
