import type { ClientFacts, Facts, Stage } from "../access/policy.ts";
import { systemClock } from "../base/clock.ts";
import { overlay } from "../config/overlay.ts";
import type { Service } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import type { ClientName } from "../dns/reverse.ts";
import { createSmtpd } from "../smtpd/smtpd.ts";
import { clockWithoutWaits, type Conversation, converse, discardingCleanup, NO_ID } from "./conversation.ts";
import type { ExplainedCommand } from "./explanation.ts";
import type { SessionParts } from "./session_parts.ts";
import type { PolicyTranscript } from "./watch/policy_transcript.ts";
import type { SessionDescription } from "./session_description.ts";

/** A session that has been played. */
export interface Played {
  readonly client: ClientFacts;
  readonly commands: readonly ExplainedCommand[];
}

/** What a session is played with. */
export interface PlayDeps {
  readonly service: Service;
  readonly sessionParts: SessionParts;
  readonly transcript: PolicyTranscript;
  readonly log: Log;
}

/** Longest that a session may take, in milliseconds: name servers and policy servers may be slow. */
const TIME_LIMIT = 60_000;

/** Somebody who was asked on the way does not answer. */
export class TimeLimitFault extends Error {
  override readonly name = "TimeLimitFault";
}

/** Plays a session against the server's own smtpd; nothing is queued, logged or counted. */
export async function play(described: SessionDescription, deps: PlayDeps): Promise<Played> {
  const session = asServed(described, deps.service);
  const { sessionParts, transcript } = deps;
  const { address, port, name, reverseName } = session.client;
  const settings = settingsFor(session, deps.service);
  const findName = async (): Promise<ClientName> =>
    name === undefined
      ? await sessionParts.parts.clientLookup(address)
      : givenName(name, reverseName ?? name);
  // Found before the session begins: on a clock without waits smtpd would not wait for it.
  const found: ClientName = settings.smtpd_peername_lookup && address !== "" ? await findName() : nameless(5);
  const { warning: _warning, ...names } = found;
  const client: ClientFacts = { address, port, ...names };
  const auth = logsIn(session) ? sessionParts.authFor(settings, session.login.username) : undefined;
  const smtpd = createSmtpd({
    ...sessionParts.parts,
    ...(auth !== undefined && { auth }),
    service: { ...deps.service, processLimit: 0, settings },
    access: transcript.over(sessionParts.parts.access, (stage) => laterFacts(session, stage)),
    clientLookup: () => found,
    cleanup: discardingCleanup(session.size ?? 0),
    newId: () => NO_ID,
    log: deps.log,
    clock: clockWithoutWaits,
  });
  const talk = converse(smtpd, sessionParts.local, { address, port });
  try {
    const commands = await playAll(session, talk, transcript, client);
    return { client, commands };
  } finally {
    talk.hangUp();
  }
}

/** Nobody is heard in the clear where TLS begins before the greeting (smtpd_tls_wrappermode). */
function asServed(session: SessionDescription, { settings }: Service): SessionDescription {
  if (session.tls !== undefined || !settings.smtpd_tls_wrappermode) return session;
  return { ...session, tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", keysize: 256 } };
}

/**
 * Nobody is asked who would get the mail (smtpd_proxy_filter). A client whose name is given is not looked up, and has that name all the same (smtpd_peername_lookup). One that has started TLS is
 * where TLS is demanded, though nothing is encrypted on paper.
 */
function settingsFor({ client, tls }: SessionDescription, { settings }: Service): Service["settings"] {
  const named = overlay(settings, {
    smtpd_proxy_filter: "",
    ...(client.name !== undefined && { smtpd_peername_lookup: true }),
  });
  if (tls === undefined) return named;
  return overlay(named, {
    smtpd_tls_security_level: "may",
    smtpd_enforce_tls: false,
    smtpd_tls_wrappermode: false,
    smtpd_tls_auth_only: false,
    smtpd_sasl_security_options: settings.smtpd_sasl_tls_security_options,
  });
}

/** Whether the client logs in itself; a login by XCLIENT is somebody else's word. */
function logsIn(session: SessionDescription): session is SessionDescription & { login: Login } {
  return session.login !== undefined && session.login.method !== "XCLIENT";
}

type Login = NonNullable<SessionDescription["login"]>;

/** The session's commands until one ends it. */
async function playAll(
  session: SessionDescription,
  talk: Conversation,
  transcript: PolicyTranscript,
  client: ClientFacts,
): Promise<ExplainedCommand[]> {
  const played: ExplainedCommand[] = [];
  const end = systemClock.now() + TIME_LIMIT;
  const say = async (command: string, reply: Promise<readonly string[]>) => {
    const lines = await inTime(reply, command, end - systemClock.now());
    const code = Number(lines.at(-1)?.slice(0, 3) ?? 0);
    played.push({ command, reply: lines, code, ...transcript.take() });
    return code < 400 && code !== 0;
  };
  const line = (command: string) => talk.over ? Promise.resolve(false) : say(command, talk.say(command));
  if (!await say("", talk.greeting())) return played;
  if (!await line(`${session.smtp ? "HELO" : "EHLO"} ${session.helo ?? heloOf(client)}`)) return played;
  if (logsIn(session)) {
    const command = `AUTH ${session.login.method}`;
    if (!talk.over) await say(command, talk.say(`${command} =`));
  }
  if (session.etrn !== undefined) return (await line(`ETRN ${session.etrn}`), played);
  if (session.sender === undefined || !await line(mailOf(session, session.sender))) return played;
  let taken = 0;
  for (const recipient of session.recipients) {
    if (await line(`RCPT TO:<${recipient}>`)) taken++;
  }
  if (taken > 0 && await line("DATA")) await line(".");
  return played;
}

const UTF8 = /[^\x00-\x7f]/;

function mailOf({ smtp, size, recipients }: SessionDescription, sender: string): string {
  const parameters = [
    size === undefined ? "" : ` SIZE=${size}`,
    [sender, ...recipients].some((address) => UTF8.test(address)) ? " SMTPUTF8" : "",
  ];
  return `MAIL FROM:<${sender}>${smtp === true ? "" : parameters.join("")}`;
}

/** What a client says that was not told what to say. */
function heloOf({ name, address }: ClientFacts): string {
  if (name !== "unknown") return name;
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/** What a session has only by XCLIENT or after STARTTLS; the login stands before MAIL, and encryption before the last EHLO. */
function laterFacts({ login, tls }: SessionDescription, stage: Stage): Partial<Facts> {
  const secured = stage === "CONNECT" || tls === undefined ? {} : { tls };
  const early = stage === "CONNECT" || stage === "HELO" || stage === "EHLO";
  return early || login?.method !== "XCLIENT"
    ? secured
    : { ...secured, saslUsername: login.username, saslMethod: login.method };
}

const nameless = (status: 4 | 5) => ({
  name: "unknown",
  reverseName: "unknown",
  nameStatus: status,
  reverseNameStatus: status,
});

/** A client's names as they are given, in XCLIENT's words. */
function givenName(name: string, reverseName: string): ClientName {
  const status = (given: string) =>
    given === "[TEMPUNAVAIL]" ? 4 : given === "[UNAVAILABLE]" || given.toLowerCase() === "unknown" ? 5 : 2;
  const text = (given: string) => status(given) === 2 ? given : "unknown";
  return {
    name: text(name),
    nameStatus: status(name),
    reverseName: text(reverseName),
    reverseNameStatus: status(reverseName),
  };
}

async function inTime<T>(reply: Promise<T>, command: string, milliseconds: number): Promise<T> {
  let cancel = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    cancel = systemClock.after(milliseconds, () => {
      const what = command === "" ? "greeting" : `reply to "${command}"`;
      reject(
        new TimeLimitFault(
          `no ${what} within ${TIME_LIMIT / 1000} seconds: a name server or policy server is silent`,
        ),
      );
    });
  });
  try {
    return await Promise.race([reply, late]);
  } finally {
    cancel();
  }
}
