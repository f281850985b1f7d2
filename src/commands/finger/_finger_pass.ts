import type { Session } from "../../delivery/smtp/client_session.ts";
import { relayName } from "../../delivery/smtp/peer.ts";
import type {
  ClientTlsEngine,
  HandshakeJudgement,
  PreparedHandshake,
  TlsServer,
} from "../../tls/client/client_engine.ts";
import type { ClientTlsPolicy } from "../../tls/client_policy.ts";
import { connectionLine } from "../../tls/connection_line.ts";
import { failureLines, handshakeLines, startLines } from "../../tls/client/handshake_lines.ts";
import type { TlsLogPart } from "../../tls/log_level.ts";
import { chainText } from "./_chain_text.ts";
import { askForTls, type Dialogue, greeting, sayHelloAs, sayQuit } from "./_finger_dialogue.ts";
import type { FingerOutput } from "./_finger_output.ts";
import type { FingerSetup } from "./_finger_setup.ts";

/** One connection that is made, of possibly several to the same server. */
export interface FingerPass {
  readonly setup: FingerSetup;
  readonly output: FingerOutput;
  readonly session: Session;
  readonly policy: ClientTlsPolicy;
  /** The next hop without brackets and port. */
  readonly domain: string;
  /** Later ones show the handshake alone. */
  readonly isFirst: boolean;
}

/** What a pass has come to. */
export interface PassResult {
  /** Nothing went wrong on the way. */
  readonly isWhole: boolean;
  readonly judged: HandshakeJudgement | undefined;
  /** A session that was kept from before was offered. */
  readonly offeredSession: boolean;
  /** With whom hands were shaken. */
  readonly server: TlsServer | undefined;
}

/** Talks to the server as far as its TLS can be seen, and takes leave. */
export async function talkOnce(pass: FingerPass): Promise<PassResult> {
  try {
    return await talk(pass);
  } finally {
    pass.session.close();
  }
}

async function talk(pass: FingerPass): Promise<PassResult> {
  const { setup: { options, engine }, output } = pass;
  const dialogue = dialogueOf(pass);
  let shaken: Shaken | undefined;
  if (options.wrapper && engine !== undefined) {
    shaken = await shakeHands(pass, engine, "");
    if (shaken === undefined || !await greeting(dialogue)) return failed(shaken);
  } else {
    if (!await greeting(dialogue)) return failed(undefined);
    const greeted = await sayHelloAs(dialogue, pass.isFirst);
    if (greeted === undefined) return failed(undefined);
    if (greeted.offersStartTls && engine !== undefined) {
      if (!await askForTls(dialogue, pass.isFirst)) return failed(undefined);
      shaken = await shakeHands(pass, engine, greeted.name);
      if (shaken === undefined) return failed(undefined);
    }
  }
  if (shaken !== undefined && pass.isFirst) await showServer(pass, dialogue, shaken.judged);
  await sayQuit(dialogue, output.warn);
  return { ...failed(shaken), isWhole: true };
}

const failed = (shaken: Shaken | undefined): PassResult => ({
  isWhole: false,
  judged: shaken?.judged,
  offeredSession: shaken?.offeredSession ?? false,
  server: shaken?.server,
});

function dialogueOf({ setup: { options, client }, output, session }: FingerPass): Dialogue {
  return {
    session,
    say: output.say,
    greetingTimeout: options.connectTimeout,
    commandTimeout: options.commandTimeout,
    hello: options.lmtp ? "LHLO" : "EHLO",
    ownName: client.myhostname,
    chat: options.chat,
  };
}

interface Shaken {
  readonly judged: HandshakeJudgement;
  readonly offeredSession: boolean;
  readonly server: TlsServer;
}

async function shakeHands(
  pass: FingerPass,
  engine: ClientTlsEngine,
  helo: string,
): Promise<Shaken | undefined> {
  const { setup: { tls, options }, output, policy, session } = pass;
  const server = serverOf(pass, helo);
  const prepared = engine.prepare(policy, server);
  if ("problem" in prepared) return void output.warn(prepared.problem);
  const { log } = tls;
  // Reconnecting is about sessions and nothing else.
  const parts = pass.isFirst ? log : RECONNECTING;
  prepared.warnings.forEach(output.warn);
  startLines({ ...tls, log: parts, program: "memory" }, server, prepared).forEach(output.say);
  const facts = await tryToTurn(session, prepared, options.commandTimeout, output);
  if (facts === undefined) return undefined;
  const judged = prepared.judge(facts);
  handshakeLines({ ...tls, log: parts }, policy, server, judged).forEach(output.say);
  if (parts.has("summary")) {
    output.say(connectionLine({ trust: judged.trust, peer: { to: server.whom }, handshake: facts }));
  }
  return { judged, offeredSession: prepared.offersSession, server };
}

const RECONNECTING: ReadonlySet<TlsLogPart> = new Set(["summary", "cache"]);

/** The server as the engine knows it. */
function serverOf({ setup, session: { peer }, domain }: FingerPass, helo: string): TlsServer {
  return { ...peer, domain, nexthop: setup.options.destination, whom: relayName(peer), helo };
}

async function tryToTurn(
  session: Session,
  prepared: PreparedHandshake,
  timeout: number,
  output: FingerOutput,
) {
  try {
    return await session.startTls(prepared.side, timeout);
  } catch (error) {
    prepared.failed();
    const { note, warning } = failureLines(error, session.relay);
    output.say(note);
    if (warning !== undefined) output.warn(warning);
    return undefined;
  }
}

/** What the server can do under TLS, and with -C who it is. */
async function showServer(
  { setup: { options, tls }, output }: FingerPass,
  dialogue: Dialogue,
  { facts }: HandshakeJudgement,
): Promise<void> {
  await sayHelloAs(dialogue, true);
  if (facts.peer === undefined) output.say("Server is anonymous");
  else if (options.printsChain) output.print(chainText(facts.peer.chain, tls.fingerprintDigest));
}
