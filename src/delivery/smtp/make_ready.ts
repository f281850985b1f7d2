import { splitList } from "../../config/syntax/list.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { HandshakeJudgement } from "../../tls/client/client_engine.ts";
import type { Session } from "./client_session.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { type Failure, localFailure } from "./failure.ts";
import { logIn, noteOffer } from "./login/login_step.ts";
import { open, type OpeningContext, type OpeningStep } from "./opening.ts";
import { openingSteps } from "./opening_steps.ts";
import { relayName } from "./peer.ts";
import { serverTls } from "./session_tls.ts";
import { type ReportedDomain, SessionReport } from "./tls/session_report.ts";

/** What a new session is made ready for. */
export interface Purpose {
  /** The message, for the log. */
  readonly id: string;
  /** When it arrived, in milliseconds since 1970. */
  readonly arrival: number;
  readonly nexthop: string;
  /** The next hop without brackets and port. */
  readonly domain: string;
  /** On port 25 a server with our own name is a loop. */
  readonly detectLoop: boolean;
  /** Who wants to be told what becomes of TLS. */
  readonly reportTo: ReportedDomain | undefined;
}

/** Greeting, hello, TLS and login, as the session's key demands; answers why the server cannot have mail. */
export async function makeReady(
  session: Session,
  purpose: Purpose,
  context: DeliveryContext,
): Promise<Failure | undefined> {
  try {
    return await open(
      session,
      await openingContext(session, purpose, context),
      await stepsFor(session, purpose, context),
    );
  } catch (error) {
    context.warn(`${purpose.id}: ${systemErrorText(error)}`);
    session.transcript?.note("data");
    return localFailure("4.3.0", `local data error while talking to ${session.name}`);
  }
}

async function openingContext(
  session: Session,
  purpose: Purpose,
  context: DeliveryContext,
): Promise<OpeningContext> {
  const { nexthop, detectLoop } = purpose;
  const { settings, warn, discardKeywords, log, logins } = context;
  const listed = await discardKeywords?.(session.peer.address);
  return {
    settings,
    nexthop,
    detectLoop,
    discard: listed === undefined ? settings.discardEhloKeywords : upperCaseWords(listed),
    warn,
    note: (text: string) => log.note(settings.program, "info", text),
    behindPix: (greeted: Session) => workAround(greeted, purpose, context),
    ...(logins !== undefined && { greeted: (greeted: Session) => noteOffer(logins, greeted, warn) }),
  };
}

/** A message that has waited for long may have been lost to the firewall before: then its end comes by itself. */
async function workAround(
  session: Session,
  { id, arrival }: Purpose,
  context: DeliveryContext,
): Promise<void> {
  const { pixFor, settings: { pix, program }, now, log } = context;
  const all = await pixFor(session.peer.address);
  const isOld = arrival < now() - pix.threshold;
  const used = all.filter((each) => each !== "delay_dotcrlf" || isOld);
  if (all.length === 0) return;
  session.avoidsEsmtp = used.includes("disable_esmtp");
  if (used.includes("delay_dotcrlf")) session.endOfDataDelay = pix.delay;
  log.note(program, "info", `${id}: enabling PIX workarounds: ${used.join(" ")} for ${session.relay}`);
}

async function stepsFor(
  session: Session,
  { id, nexthop, domain, reportTo }: Purpose,
  context: DeliveryContext,
): Promise<readonly OpeningStep[]> {
  const { tls, logins } = context;
  const { peer, key, localAddress } = session;
  const wantsTls = key.tls.level !== "none";
  const log = wantsTls ? await tls.logParts({ name: peer.host, address: peer.address }) : tls.settings.log;
  const isReported = reportTo !== undefined && wantsTls;
  const steps = openingSteps({
    ...tls,
    settings: { ...tls.settings, log },
    policy: key.tls,
    server: { ...peer, nexthop, domain, whom: relayName(peer) },
    judged: (judged) => noteTls(session, judged, context, log.has("summary")),
    requireTls: key.requireTls,
    id,
    report: isReported ? new SessionReport(reportTo, { ...peer, policy: key.tls, localAddress }) : undefined,
  });
  return logins === undefined ? steps : [...steps, logIn(logins)];
}

function noteTls(
  session: Session,
  { facts, trust }: HandshakeJudgement,
  { log, settings }: DeliveryContext,
  isLogged: boolean,
): void {
  session.tls = { facts, trust, whom: session.relay, level: session.key.tls.level, isLogged };
  log.emit(settings.program, "serverTls", serverTls(session.tls, "established"));
}

function upperCaseWords(list: string): ReadonlySet<string> {
  return new Set(splitList(list).map((word) => word.toUpperCase()));
}
