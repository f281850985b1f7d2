import { EHLO_KEYWORDS } from "../../smtp/ehlo_keywords.ts";
import type { ClientSettings } from "./client_settings.ts";
import { isPixGreeting } from "./pix_workarounds.ts";
import { type Failure, interruption, localFailure, refusal } from "./failure.ts";
import { NO_FEATURES, parseFeatures } from "../../smtp/server_features.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";
import { type Heard, isLost, type Lost, type Session } from "./client_session.ts";

/** What the opening needs to know beside the session. */
export interface OpeningContext {
  readonly settings: ClientSettings;
  /** Next hop, for the text of a loop. */
  readonly nexthop: string;
  /** On port 25 a server with our own name is a loop. */
  readonly detectLoop: boolean;
  /** Keywords not to believe of this server (smtp_discard_ehlo_keyword_address_maps, else smtp_discard_ehlo_keywords). */
  readonly discard: ReadonlySet<string>;
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
  /** Hears what each hello has brought. */
  readonly greeted?: (session: Session) => Promise<void>;
  /** What is to be done when a firewall shows in the greeting. */
  readonly behindPix?: (session: Session) => Promise<void>;
}

/** The failure of a conversation that ended early, in Postfix's words. */
export function lostFailure(session: Session, lost: Lost, stage: string): Failure {
  switch (lost) {
    case "lost":
      return broken(session, `lost connection with ${session.name} while ${stage}`);
    case "timeout":
      return broken(session, `conversation with ${session.name} timed out while ${stage}`);
    case "aborted":
      return interruption(`delivery to ${session.name} was interrupted while ${stage}`);
  }
}

function broken({ tls }: Session, text: string): Failure {
  const failure = localFailure("4.4.2", text);
  return tls === undefined ? failure : { ...failure, brokenTls: "session" };
}

/** One step towards a session that is ready for mail; answers why it cannot go on. */
export type OpeningStep = (session: Session, context: OpeningContext) => Promise<Failure | undefined>;

/** Takes one step after the other; undefined when the server is ready for mail. */
export async function open(
  session: Session,
  context: OpeningContext,
  steps: readonly OpeningStep[],
): Promise<Failure | undefined> {
  for (const step of steps) {
    const failure = await step(session, context);
    if (failure !== undefined) return failure;
  }
}

/** Waits until the server says who it is. */
export async function receiveGreeting(
  session: Session,
  context: OpeningContext,
): Promise<Failure | undefined> {
  const greeting = await session.reply(context.settings.timeouts.hello);
  if (isLost(greeting)) return lostFailure(session, greeting, "receiving the initial server greeting");
  if (!isPositive(greeting)) return refusedToTalk(session, greeting, context.settings.skip5xxGreeting);
  warnAboutGreeting(session, greeting, context);
  if (isPixGreeting(greeting)) await context.behindPix?.(session);
  session.announcesEsmtp = greeting.text.split(/[ \t]/).some((word) => word.toUpperCase() === "ESMTP");
}

/** Says EHLO, HELO or LHLO, and learns what the server can do. */
export async function sayHello(session: Session, context: OpeningContext): Promise<Failure | undefined> {
  const failure = context.settings.program === "lmtp"
    ? await sayLhlo(session, context)
    : await sayEhlo(session, context);
  if (failure === undefined) await context.greeted?.(session);
  return failure;
}

/** What a session is about while the server's abilities are found out, and used: a login is part of that to Postfix. */
export function helloStage({ settings }: OpeningContext): string {
  return `performing the ${settings.program === "lmtp" ? "LHLO" : "EHLO"} handshake`;
}

function isPositive(reply: ServerReply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

/** A 5xx greeting may only mean that this host does not want to (smtp_skip_5xx_greeting). */
function refusedToTalk(session: Session, reply: ServerReply, soften = false): Failure {
  session.refused(reply);
  const status = soften && reply.code >= 500 ? `4${reply.status.slice(1)}` : reply.status;
  return refusal(
    session.peer.host,
    reply,
    `host ${session.name} refused to talk to me: ${reply.text}`,
    status,
  );
}

function warnAboutGreeting(
  session: Session,
  reply: ServerReply,
  { settings, detectLoop, warn }: OpeningContext,
): void {
  const name = reply.lines[0]!.slice(4).split(/[ \t]/)[0]!;
  if (detectLoop && name.toLowerCase() === settings.myhostname.toLowerCase()) {
    warn(`host ${session.relay} greeted me with my own hostname ${settings.myhostname}`);
  }
}

async function sayEhlo(session: Session, context: OpeningContext): Promise<Failure | undefined> {
  const { settings } = context;
  const mayEhlo = !settings.neverSendEhlo && !session.avoidsEsmtp;
  if (mayEhlo && (settings.alwaysSendEhlo || session.announcesEsmtp)) {
    const reply = await said(session, `EHLO ${settings.helloName}\r\n`, settings);
    if (isLost(reply)) return lostFailure(session, reply, helloStage(context));
    if (isPositive(reply)) return takeFeatures(session, reply, context);
    if (reply.code === 421) return refusedToTalk(session, reply);
  }
  const reply = await said(session, `HELO ${settings.helloName}\r\n`, settings);
  if (isLost(reply)) return lostFailure(session, reply, "performing the HELO handshake");
  if (!isPositive(reply)) return refusedToTalk(session, reply);
  session.features = NO_FEATURES;
}

async function sayLhlo(session: Session, context: OpeningContext): Promise<Failure | undefined> {
  const { settings } = context;
  const reply = await said(session, `LHLO ${settings.helloName}\r\n`, settings);
  if (isLost(reply)) return lostFailure(session, reply, helloStage(context));
  return isPositive(reply) ? takeFeatures(session, reply, context) : refusedToTalk(session, reply);
}

async function said(session: Session, command: string, settings: ClientSettings): Promise<Heard> {
  await session.command(command);
  return await session.reply(settings.timeouts.hello);
}

/** A server that answers with our own name is this machine: mail would go round (RFC 5321 §5.1). */
function takeFeatures(session: Session, reply: ServerReply, context: OpeningContext): Failure | undefined {
  const { settings, detectLoop, warn } = context;
  const features = parseFeatures(reply, context.discard);
  noteDiscarded(context);
  session.features = features;
  if (features.badSize !== undefined) warn(`bad EHLO SIZE limit "${features.badSize}" from ${session.relay}`);
  if (!detectLoop || features.name.toLowerCase() !== settings.myhostname.toLowerCase()) return undefined;
  warn(`host ${session.relay} replied to HELO/EHLO with my own hostname ${settings.myhostname}`);
  const status = session.bestMx ? "5.4.6" : "4.4.6";
  return localFailure(status, `mail for ${context.nexthop} loops back to myself`);
}

function noteDiscarded({ discard, note }: OpeningContext): void {
  if (discard.size === 0 || discard.has("SILENT-DISCARD")) return;
  const names = EHLO_KEYWORDS.filter((keyword) => discard.has(keyword));
  if (names.length > 0) note(`discarding EHLO keywords: ${names.join(" ")}`);
}
