import { networkTop } from "../address/network.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { defer, type Reply } from "../smtp/reply.ts";
import type { RatedEvent } from "./deps.ts";
import { mayUse } from "./command/helo.ts";
import type { Session } from "./smtpd_session.ts";
import type { SessionSettings } from "./session_settings.ts";

/** What a limit is called in the log, and what the client hears. */
interface RateRow {
  readonly setting: keyof SessionSettings["rateLimits"];
  readonly kind: string;
  readonly what: string;
}

/** The limits of postconf(5) that are checked at a command: smtpd_client_message_rate_limit and its kin. */
const RATES: Readonly<Record<Exclude<RatedEvent, "newTls">, RateRow>> = {
  mail: { setting: "mail", kind: "Message delivery request rate", what: "too much mail" },
  recipient: { setting: "recipient", kind: "Recipient address rate", what: "too many recipients" },
  auth: { setting: "auth", kind: "AUTH command rate", what: "too many AUTH commands" },
};

/** Whether a client's doings are counted: not those of listed clients, nor of ones that may speak for others (XCLIENT). */
function isCounted(session: Session): MaybeAsync<boolean> {
  const { connectionCountLimit, connectionRateLimit, rateLimits } = session.settings;
  const { mail, recipient, newTls, auth } = rateLimits;
  const limited = connectionCountLimit + connectionRateLimit + mail + recipient + newTls + auth > 0;
  if (session.house.deps.anvil === undefined || !limited) return false;
  return then(
    session.house.deps.listed("smtpd_client_event_limit_exceptions", session.client),
    (excepted) => excepted ? false : then(mayUse(session, "xclient"), (may) => !may),
  );
}

/** smtpd_client_connection_count_limit and smtpd_client_connection_rate_limit: counts the client, and refuses one too many. */
export function overConnectionLimit(session: Session): MaybeAsync<Reply | undefined> {
  const { anvil, log } = session.house.deps;
  const { connectionCountLimit: most, connectionRateLimit: fastest, service, myhostname } = session.settings;
  return then(isCounted(session), (counted) => {
    // Who has left while the exceptions were asked has no connection: nobody would ever give it back.
    if (!counted || anvil === undefined || session.gone) return undefined;
    const { address } = session.client;
    session.countedAs = networkTop(address, session.settings.prefixLengths) ?? address;
    return then(anvil.connect(service, session.countedAs), ({ count, rate }) => {
      const tooMany = most > 0 && count > most;
      if (!tooMany && (fastest === 0 || rate <= fastest)) return undefined;
      const kind = tooMany ? "Connection concurrency" : "Connection rate";
      const number = tooMany ? count : rate;
      log.emit("smtpd", "limitExceeded", { kind, number, client: session.clientText, service });
      return defer(421, "4.7.0", `${myhostname} Error: too many connections from ${address}`);
    });
  });
}

/** Counts a command that has a rate, and refuses it over the limit; without a limit it is not counted (smtpd(8)). */
export function overRate(session: Session, event: keyof typeof RATES): MaybeAsync<Reply | undefined> {
  const { setting, kind, what } = RATES[event];
  const most = session.settings.rateLimits[setting];
  const { deps: { anvil, log } } = session.house;
  if (most === 0 || anvil === undefined || session.countedAs === undefined) return undefined;
  const { settings: { service }, client: { address } } = session;
  return then(anvil.count(event, service, session.countedAs), (number) => {
    if (number <= most) return undefined;
    log.emit("smtpd", "limitExceeded", { kind, number, client: session.clientText, service });
    return defer(450, "4.7.1", `Error: ${what} from ${address}`);
  });
}
