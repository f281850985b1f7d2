import { isHostname } from "../../address/hostname.ts";
import { canonicalIp, withoutMapping } from "../../address/ip.ts";
import type { ClientFacts } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseAttributes } from "../../smtp/command.ts";
import { refuse } from "../../smtp/reply.ts";
import { welcomeAgain } from "../greeting.ts";
import { mayUse } from "./helo.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

/** Neither XCLIENT nor XFORWARD may come in a transaction (XCLIENT_README). */
export const IN_TRANSACTION = outcomeOf(refuse(503, "5.5.1", "Error: MAIL transaction in progress"));
/** The client is not in smtpd_authorized_xclient_hosts or smtpd_authorized_xforward_hosts. */
export const NOT_AUTHORIZED = outcomeOf(refuse(550, "5.7.0", "Error: insufficient authorization"));

const UNAVAILABLE = "[UNAVAILABLE]";
const TEMPORARILY_UNAVAILABLE = "[TEMPUNAVAIL]";

/** Whether a value says that there is none, in any case of letters. */
export const isUnavailable = (value: string): boolean => value.toUpperCase() === UNAVAILABLE;

type Change = (session: Session, value: string) => boolean;

function changeClient(session: Session, change: Partial<ClientFacts>): true {
  session.client = { ...session.client, ...change };
  return true;
}

/** Status of a name that is missing, for now or for good. */
const missing = (value: string): 4 | 5 | undefined =>
  isUnavailable(value) ? 5 : value.toUpperCase() === TEMPORARILY_UNAVAILABLE ? 4 : undefined;

/** A name that is known is its own reverse, unless REVERSE_NAME comes after it; one that is not changes nothing else. */
function changeName(session: Session, value: string): boolean {
  const nameStatus = missing(value);
  if (nameStatus !== undefined) return changeClient(session, { name: "unknown", nameStatus });
  return isHostname(value) &&
    changeClient(session, { name: value, nameStatus: 2, reverseName: value, reverseNameStatus: 2 });
}

function changeReverseName(session: Session, value: string): boolean {
  const reverseNameStatus = missing(value);
  if (reverseNameStatus !== undefined) {
    return changeClient(session, { reverseName: "unknown", reverseNameStatus });
  }
  return isHostname(value) && changeClient(session, { reverseName: value, reverseNameStatus: 2 });
}

/** An address as XCLIENT writes it: IPv6 with `IPV6:` in front. */
export function readAttributeAddress(value: string): string | undefined {
  const v6 = /^ipv6:/i.test(value);
  const address = canonicalIp(v6 ? value.slice(5) : value);
  return address !== undefined && address.includes(":") === v6 ? address : undefined;
}

/** A port as an attribute: any decimal number. */
export function readAttributePort(value: string): number | undefined {
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** An IPv4 address is one in any spelling: what is allowed to it depends on it (mynetworks, smtpd_authorized_xclient_hosts). */
function changeAddress(session: Session, value: string): boolean {
  const given = isUnavailable(value) ? "unknown" : readAttributeAddress(value);
  const address = given && withoutMapping(given);
  return address !== undefined && changeClient(session, { address });
}

function changePort(session: Session, value: string): boolean {
  const port = isUnavailable(value) ? 0 : readAttributePort(value);
  return port !== undefined && changeClient(session, { port });
}

function changeProtocol(session: Session, value: string): boolean {
  const protocol = value.toUpperCase();
  if (protocol !== "SMTP" && protocol !== "ESMTP") return false;
  session.esmtp = protocol === "ESMTP";
  return true;
}

function changeHelo(session: Session, value: string): boolean {
  const name = value.replace(/[ <>()\\";@\x00-\x1f\x7f]/g, "?");
  session.hello = isUnavailable(value) ? undefined : { name, esmtp: session.esmtp };
  return true;
}

function changeLogin(session: Session, value: string): boolean {
  session.login = isUnavailable(value) ? undefined : { method: "XCLIENT", username: value };
  return true;
}

function changeDestinationAddress(session: Session, value: string): boolean {
  const address = isUnavailable(value) ? "unknown" : readAttributeAddress(value);
  if (address === undefined) return false;
  session.destination = { address, port: session.destination?.port ?? session.connection.local.port };
  return true;
}

function changeDestinationPort(session: Session, value: string): boolean {
  const port = isUnavailable(value) ? 0 : readAttributePort(value);
  if (port === undefined) return false;
  session.destination = { address: session.destination?.address ?? session.connection.local.address, port };
  return true;
}

const CHANGES: Readonly<Record<string, Change>> = {
  NAME: changeName,
  REVERSE_NAME: changeReverseName,
  ADDR: changeAddress,
  PORT: changePort,
  PROTO: changeProtocol,
  HELO: changeHelo,
  LOGIN: changeLogin,
  DESTADDR: changeDestinationAddress,
  DESTPORT: changeDestinationPort,
};

function become(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  const command = parseAttributes(words);
  if (command.verb === "malformed") return outcomeOf(command.reply);
  const given = new Set(command.attributes.map(([name]) => name));
  for (const [name, value] of command.attributes) {
    const change = Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
    if (change === undefined) {
      return outcomeOf(refuse(501, "5.5.4", `Bad XCLIENT attribute name: ${name}`));
    }
    if (!change(session, value)) return outcomeOf(refuse(501, "5.5.4", `Bad ${name} syntax: ${value}`));
  }
  session.policy = session.house.deps.access.open();
  session.abandonMessage();
  if (!given.has("HELO")) session.hello = undefined;
  if (!given.has("PROTO")) session.esmtp = false;
  return then(welcomeAgain(session), () => ({ counts: "neither" }));
}

/** XCLIENT puts a trusted client's word in place of what the connection tells (XCLIENT_README). Starts the session anew. */
export function xclient(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (session.phase.at !== "ready") return IN_TRANSACTION;
  return then(mayUse(session, "xclient"), (may) => {
    if (words.length < 2) return outcomeOf(refuse(501, "5.5.4", "Syntax: XCLIENT attribute=value..."));
    return may ? become(session, words) : NOT_AUTHORIZED;
  });
}
