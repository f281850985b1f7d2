import { quoteAddress } from "../../address/address.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { clientMacro } from "../../cleanup/milters/content_macros.ts";
import type { MacroSource } from "../../milter/macros.ts";
import { type Reply, replyText } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { Subject } from "../facts.ts";
import { type Phase, transactionOf } from "../phase.ts";
import type { SessionFacts } from "../session_facts.ts";

/** What macros tell of: the session, the command in hand, and why its recipient is refused already. */
export interface MacroSubject {
  readonly phase: Phase;
  readonly subject?: Subject | undefined;
  readonly refused?: Reply | undefined;
}

type Value = MaybeAsync<string | undefined>;
type Macro = (context: Context, about: MacroSubject) => Value;

/** An address as RFC 5321 writes it in brackets. */
const literal = (address: string) => address.includes(":") ? `IPv6:${address}` : address;

/** What became of the client's name. */
function resolved({ client: { nameStatus, reverseNameStatus, forged } }: SessionFacts): string {
  if (nameStatus === 2) return "OK";
  if (forged === true && reverseNameStatus === 2) return "FORGED";
  return nameStatus === 4 ? "TEMP" : "FAIL";
}

/** Where an address leads, as far as a macro tells it; undefined where there is none. */
function routed(
  context: Context,
  [from, address]: readonly [from: string, address: string | undefined],
  part: "recipient" | "nexthop" | "transport",
): Value {
  if (address === undefined) return undefined;
  if (part === "recipient" && address === "") return "";
  return then(context.deps.resolve?.(from, address), (resolution) => {
    if (resolution?.is !== "resolved") return part === "recipient" ? quoteAddress(address) : undefined;
    return part === "recipient" ? quoteAddress(resolution.recipient) : resolution[part];
  });
}

function senderOf({ phase, subject }: MacroSubject): string | undefined {
  return subject?.sender ?? transactionOf(phase)?.sender;
}

const mail = (part: "recipient" | "nexthop" | "transport"): Macro => (context, about) =>
  routed(context, [about.subject?.recipient ?? "", senderOf(about)], part);

const rcpt = (part: "recipient" | "nexthop" | "transport"): Macro => (context, about) => {
  const recipient = about.subject?.recipient;
  if (about.refused === undefined || recipient === undefined) {
    return routed(context, [senderOf(about) ?? "", recipient], part);
  }
  if (part === "transport") return "error";
  // `554 5.7.1 <user@example.com>: Relay access denied`: the status, and the text behind the address.
  const [, status, text] = /^\S+ (\S*) ?(?:\S*) ?([^]*)$/.exec(replyText(about.refused)) ?? [];
  return part === "nexthop" ? status : text;
};

/** The macros of MILTER_README, by their names without braces. */
const MACROS: Readonly<Record<string, Macro>> = {
  daemon_name: ({ settings }) => settings.milterNames.daemon,
  v: ({ settings }) => settings.milterNames.version,
  j: ({ settings }) => settings.myhostname,
  _: ({ facts }) => clientMacro(facts.client),
  client_addr: ({ facts }) => literal(facts.client.address),
  client_port: ({ facts }) => `${facts.client.port}`,
  client_connections: ({ facts }) => `${facts.connections}`,
  client_name: ({ facts }) => facts.client.name,
  client_ptr: ({ facts }) => facts.client.reverseName,
  client_resolve: ({ facts }) => resolved(facts),
  daemon_addr: ({ facts }) => facts.server.address,
  daemon_port: ({ facts }) => `${facts.server.port}`,
  tls_version: ({ facts }) => facts.tls?.protocol,
  cipher: ({ facts }) => facts.tls?.cipher,
  cipher_bits: ({ facts }) => facts.tls && `${facts.tls.keysize}`,
  cert_subject: ({ facts }) => facts.tls?.peer?.trusted ? facts.tls.peer.subject : undefined,
  cert_issuer: ({ facts }) => facts.tls?.peer?.trusted ? facts.tls.peer.issuer : undefined,
  i: (_, { phase }) => transactionOf(phase)?.id,
  auth_type: ({ facts }) => facts.login?.method,
  auth_authen: ({ facts }) => facts.login?.username,
  auth_author: (_, { phase, subject }) => subject?.saslSender ?? transactionOf(phase)?.parameters.auth,
  mail_addr: mail("recipient"),
  mail_host: mail("nexthop"),
  mail_mailer: mail("transport"),
  rcpt_addr: rcpt("recipient"),
  rcpt_host: rcpt("nexthop"),
  rcpt_mailer: rcpt("transport"),
};

/** What macros are worth now (MILTER_README, "List of macros"). */
export function macrosAbout(context: Context, about: MacroSubject): MacroSource {
  return (name) => Object.hasOwn(MACROS, name) ? MACROS[name]!(context, about) : undefined;
}
