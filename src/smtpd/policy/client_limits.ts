import { networkTop } from "../../address/network.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { classed, defer, type Reply } from "../../smtp/reply.ts";
import type { RatedEvent } from "../deps.ts";
import { mayUse } from "./client_lists.ts";
import type { Context } from "../context.ts";
import type { SessionSettings } from "../session_settings.ts";

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
function isCounted(context: Context): MaybeAsync<boolean> {
  const { deps, facts, settings } = context;
  const { connectionCountLimit, connectionRateLimit, rateLimits } = settings;
  const { mail, recipient, newTls, auth } = rateLimits;
  const limited = connectionCountLimit + connectionRateLimit + mail + recipient + newTls + auth > 0;
  if (deps.anvil === undefined || !limited) return false;
  return then(
    deps.listed("smtpd_client_event_limit_exceptions", facts.client),
    (excepted) => excepted ? false : then(mayUse(context, "xclient"), (may) => !may),
  );
}

/** The range of addresses that the client is counted under, if it is. */
export function countedRange(context: Context): MaybeAsync<string | undefined> {
  const { address } = context.facts.client;
  return then(
    isCounted(context),
    (counted) => counted ? networkTop(address, context.settings.prefixLengths) ?? address : undefined,
  );
}

/** How often a client is connected, and why that is once too often. */
export interface Counted {
  readonly connections: number;
  readonly refusal?: Reply;
}

/** smtpd_client_connection_count_limit and smtpd_client_connection_rate_limit: counts the connection, and refuses one too many. */
export function countConnection(context: Context): MaybeAsync<Counted> {
  const { deps: { anvil, log }, facts: { countedAs, client: { address } } } = context;
  const { connectionCountLimit: most, connectionRateLimit: fastest, service, myhostname } = context.settings;
  if (countedAs === undefined || anvil === undefined) return { connections: 0 };
  return then(anvil.connect(service, countedAs), ({ count, rate }): Counted => {
    const tooMany = most > 0 && count > most;
    if (!tooMany && (fastest === 0 || rate <= fastest)) return { connections: count };
    const kind = tooMany ? "Connection concurrency" : "Connection rate";
    const number = tooMany ? count : rate;
    log.emit("smtpd", "limitExceeded", { kind, number, client: context.clientText, service });
    const text = `${myhostname} Error: too many connections from ${address}`;
    return { connections: count, refusal: classed(defer(421, "4.7.0", text), "policy") };
  });
}

/** The range of a client whose handshakes have a limit (smtpd_client_new_tls_session_rate_limit); undefined where they have none. */
function ratedTls({ deps: { anvil }, settings }: Context, countedAs: string | undefined) {
  const most = settings.rateLimits.newTls;
  return anvil === undefined || countedAs === undefined || most === 0
    ? undefined
    : { anvil, countedAs, most };
}

/** Whether the client has made too many TLS sessions to begin another. In wrapper mode nobody has asked yet whether it is counted. */
export function overTlsRate(context: Context): MaybeAsync<boolean> {
  if (context.settings.rateLimits.newTls === 0) return false;
  return then(context.facts.countedAs ?? countedRange(context), (countedAs) => {
    const rated = ratedTls(context, countedAs);
    if (rated === undefined) return false;
    const rate = rated.anvil.newTlsRate(context.settings.service, rated.countedAs);
    return then(rate, (number) => number > rated.most);
  });
}

/** Counts a handshake that was none of an earlier session; true where that is one too many, which the log hears. */
export function countTls(context: Context): MaybeAsync<boolean> {
  if (context.settings.rateLimits.newTls === 0) return false;
  return then(context.facts.countedAs ?? countedRange(context), (countedAs) => {
    const rated = ratedTls(context, countedAs);
    if (rated === undefined) return false;
    const { settings: { service }, clientText: client } = context;
    return then(rated.anvil.count("newTls", service, rated.countedAs), (number) => {
      if (number <= rated.most) return false;
      context.deps.log.emit("smtpd", "limitExceeded", {
        kind: "New TLS session rate",
        number,
        client,
        service,
      });
      return true;
    });
  });
}

/** Counts a command that has a rate, and refuses it over the limit; without a limit it is not counted (smtpd(8)). */
export function overRate(context: Context, event: keyof typeof RATES): MaybeAsync<Reply | undefined> {
  const { setting, kind, what } = RATES[event];
  const { deps: { anvil, log }, facts: { countedAs, client: { address } } } = context;
  const { service, rateLimits: { [setting]: most } } = context.settings;
  if (most === 0 || anvil === undefined || countedAs === undefined) return undefined;
  return then(anvil.count(event, service, countedAs), (number) => {
    if (number <= most) return undefined;
    log.emit("smtpd", "limitExceeded", { kind, number, client: context.clientText, service });
    return classed(defer(450, "4.7.1", `Error: ${what} from ${address}`), "policy");
  });
}
