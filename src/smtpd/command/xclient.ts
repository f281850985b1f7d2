import { isHostname } from "../../address/hostname.ts";
import { canonicalIp, withoutMapping } from "../../address/ip.ts";
import type { ClientFacts } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseAttributes } from "../../smtp/command.ts";
import { classed, refuse } from "../../smtp/reply.ts";
import { mayUse } from "../policy/client_lists.ts";
import type { Context } from "../context.ts";
import { type PhaseAt, READY } from "../phase.ts";
import type { SessionFacts } from "../session_facts.ts";
import { answer, type Step } from "../step.ts";
import { safeHelloName } from "./helo.ts";

/** The client is not in smtpd_authorized_xclient_hosts or smtpd_authorized_xforward_hosts. */
export const NOT_AUTHORIZED = classed(refuse(550, "5.7.0", "Error: insufficient authorization"), "policy");

const UNAVAILABLE = "[UNAVAILABLE]";
const TEMPORARILY_UNAVAILABLE = "[TEMPUNAVAIL]";

/** Whether a value says that there is none, in any case of letters. */
export const isUnavailable = (value: string): boolean => value.toUpperCase() === UNAVAILABLE;

/** What is known once an attribute is believed; undefined when its value is malformed. */
type Change = (facts: SessionFacts, value: string) => SessionFacts | undefined;

function changeClient(facts: SessionFacts, change: Partial<ClientFacts>): SessionFacts {
  return { ...facts, client: { ...facts.client, ...change } };
}

/** Status of a name that is missing, for now or for good. */
const missing = (value: string): 4 | 5 | undefined =>
  isUnavailable(value) ? 5 : value.toUpperCase() === TEMPORARILY_UNAVAILABLE ? 4 : undefined;

/** A name that is known is its own reverse, unless REVERSE_NAME comes after it; one that is not changes nothing else. */
const changeName: Change = (facts, value) => {
  const nameStatus = missing(value);
  if (nameStatus !== undefined) return changeClient(facts, { name: "unknown", nameStatus });
  if (!isHostname(value)) return undefined;
  return changeClient(facts, { name: value, nameStatus: 2, reverseName: value, reverseNameStatus: 2 });
};

const changeReverseName: Change = (facts, value) => {
  const reverseNameStatus = missing(value);
  if (reverseNameStatus !== undefined) {
    return changeClient(facts, { reverseName: "unknown", reverseNameStatus });
  }
  return isHostname(value) ? changeClient(facts, { reverseName: value, reverseNameStatus: 2 }) : undefined;
};

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

const addressOrUnknown = (value: string) => isUnavailable(value) ? "unknown" : readAttributeAddress(value);
const portOrNone = (value: string) => isUnavailable(value) ? 0 : readAttributePort(value);

/** An IPv4 address is one in any spelling: what is allowed to it depends on it (mynetworks, smtpd_authorized_xclient_hosts). */
const changeAddress: Change = (facts, value) => {
  const given = addressOrUnknown(value);
  const address = given && withoutMapping(given);
  return address === undefined ? undefined : changeClient(facts, { address });
};

const changePort: Change = (facts, value) => {
  const port = portOrNone(value);
  return port === undefined ? undefined : changeClient(facts, { port });
};

const changeProtocol: Change = (facts, value) => {
  const protocol = value.toUpperCase();
  return protocol === "SMTP" || protocol === "ESMTP" ? { ...facts, esmtp: protocol === "ESMTP" } : undefined;
};

const changeHelo: Change = (facts, value) => {
  const hello = isUnavailable(value) ? undefined : { name: safeHelloName(value), esmtp: facts.esmtp };
  return { ...facts, hello };
};

const changeLogin: Change = (facts, value) => {
  const login = isUnavailable(value) ? undefined : { method: "XCLIENT", username: value };
  return { ...facts, login };
};

const changeDestinationAddress: Change = (facts, value) => {
  const address = addressOrUnknown(value);
  return address === undefined ? undefined : { ...facts, server: { ...facts.server, address } };
};

const changeDestinationPort: Change = (facts, value) => {
  const port = portOrNone(value);
  return port === undefined ? undefined : { ...facts, server: { ...facts.server, port } };
};

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

function become(phase: PhaseAt<"ready">, context: Context, words: readonly string[]): Step {
  const command = parseAttributes(words);
  if (command.verb === "malformed") return answer(phase, command.reply);
  let { facts } = context;
  for (const [name, value] of command.attributes) {
    const change = Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
    const changed = change?.(facts, value);
    if (changed === undefined) {
      const text = change === undefined
        ? `Bad XCLIENT attribute name: ${name}`
        : `Bad ${name} syntax: ${value}`;
      return { ...answer(phase, refuse(501, "5.5.4", text)), facts };
    }
    facts = changed;
  }
  const given = new Set(command.attributes.map(([name]) => name));
  if (!given.has("HELO")) facts = { ...facts, hello: undefined };
  if (!given.has("PROTO")) facts = { ...facts, esmtp: false };
  if (!given.has("LOGIN")) facts = { ...facts, login: undefined };
  facts = { ...facts, offer: undefined };
  return { phase: READY, facts, counts: "neither", after: { is: "greet" } };
}

/** XCLIENT puts a trusted client's word in place of what the connection tells (XCLIENT_README). Starts the session anew. */
export function xclient(
  phase: PhaseAt<"ready">,
  context: Context,
  words: readonly string[],
): MaybeAsync<Step> {
  return then(mayUse(context, "xclient"), (may) => {
    if (words.length < 2) return answer(phase, refuse(501, "5.5.4", "Syntax: XCLIENT attribute=value..."));
    return may ? become(phase, context, words) : answer(phase, NOT_AUTHORIZED);
  });
}
