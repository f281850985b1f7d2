import { quoteAddress, splitAddress } from "../../address/address.ts";
import type { Envelope, Recipient } from "../../queue/envelope.ts";
import { splitExtension } from "../../table/search/extension.ts";
import { parsePipe, type PipeConfig } from "./pipe_config.ts";

/** A message as the arguments of a command see it. */
export interface PipeMessage {
  readonly envelope: Envelope;
  readonly recipients: readonly Recipient[];
  readonly nexthop: string;
  readonly size: number;
}

const MACRO = /\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))/g;

/** Macros that stand for a recipient: an argument with one is repeated for each. */
const PER_RECIPIENT = new Set(["domain", "extension", "mailbox", "original_recipient", "recipient", "user"]);

type Values = Readonly<Record<string, string>>;

function address(text: string, config: PipeConfig): string {
  const { flags } = config;
  const { local, domain } = splitAddress(text);
  const cased = `${flags.has("u") ? local.toLowerCase() : local}${
    domain === "" ? "" : `@${flags.has("h") ? domain.toLowerCase() : domain}`
  }`;
  return flags.has("q") ? quoteAddress(cased) : cased;
}

function aboutMessage({ envelope, nexthop, size }: PipeMessage, config: PipeConfig): Values {
  const { origin, sender } = envelope;
  return {
    client_address: origin.clientAddress ?? "",
    client_helo: origin.helo ?? "",
    client_hostname: origin.clientName ?? "",
    client_port: origin.clientPort === undefined ? "" : `${origin.clientPort}`,
    client_protocol: origin.protocol ?? "",
    envid: envelope.envid ?? "",
    nexthop: config.flags.has("h") ? nexthop.toLowerCase() : nexthop,
    queue_id: envelope.id,
    sasl_method: origin.saslMethod ?? "",
    sasl_sender: origin.saslSender ?? "",
    sasl_username: origin.saslUsername ?? "",
    sender: sender === "" ? config.nullSender : config.flags.has("q") ? quoteAddress(sender) : sender,
    size: `${size}`,
  };
}

function aboutRecipient(recipient: Recipient, config: PipeConfig, delimiters: string): Values {
  const { local, domain } = splitAddress(
    address(recipient.address, { ...config, flags: withoutQuotes(config) }),
  );
  const { base, extension } = splitExtension(local, delimiters);
  return {
    domain,
    extension: extension ?? "",
    mailbox: local,
    original_recipient: address(recipient.original, config),
    recipient: address(recipient.address, config),
    user: base,
  };
}

const withoutQuotes = (config: PipeConfig) => new Set([...config.flags].filter((flag) => flag !== "q"));

function namesIn(argument: string): string[] {
  return [...argument.matchAll(MACRO)].map(([, plain, braced, round]) => plain ?? braced ?? round ?? "$");
}

const fill = (argument: string, values: Values) =>
  argument.replace(MACRO, (_whole, plain?: string, braced?: string, round?: string) => {
    const name = plain ?? braced ?? round;
    // No argument can hold a NUL (execve(2)).
    return name === undefined ? "$" : (values[name] ?? "").replaceAll("\0", "?");
  });

/** The first macro of the arguments that does not exist; undefined when all do. */
export function unknownMacro(argv: readonly string[]): string | undefined {
  const known = new Set([
    "$",
    ...PER_RECIPIENT,
    "client_address",
    "client_helo",
    "client_hostname",
    "client_port",
    "client_protocol",
    "envid",
    "nexthop",
    "queue_id",
    "sasl_method",
    "sasl_sender",
    "sasl_username",
    "sender",
    "size",
  ]);
  return argv.flatMap(namesIn).find((name) => !known.has(name));
}

/** The command's arguments for a message, its macros filled in (pipe(8)). No shell sees them. */
export function pipeArguments(message: PipeMessage, config: PipeConfig, delimiters: string): string[] {
  const common = aboutMessage(message, config);
  const each = message.recipients.map((recipient) => aboutRecipient(recipient, config, delimiters));
  return config.argv.flatMap((argument) => {
    if (!argument.includes("$")) return [argument];
    if (!namesIn(argument).some((name) => PER_RECIPIENT.has(name))) return [fill(argument, common)];
    return each.map((values) => fill(argument, { ...common, ...values }));
  });
}

/** What an entry of master.cf asks of pipe(8), or why it cannot be used. */
export function pipeConfig(service: string, args: readonly string[]): PipeConfig | string {
  const config = parsePipe(service, args);
  const unknown = typeof config === "string" ? undefined : unknownMacro(config.argv);
  return unknown === undefined ? config : `service ${service}: unknown macro name: "${unknown}" in argv=`;
}
