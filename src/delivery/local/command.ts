import { splitList } from "../../config/syntax/list.ts";
import type { Envelope } from "../../queue/envelope.ts";
import type { CommandTask } from "../mailbox/writer.ts";

/** Who a command is run for. */
export interface CommandFor {
  readonly envelope: Envelope;
  readonly sender: string;
  readonly recipient: string;
  readonly original: string;
  /** Local part without and with extension, the extension, the domain. */
  readonly user: string;
  readonly local: string;
  readonly extension: string | undefined;
  readonly domain: string;
  readonly home: string | undefined;
  readonly shell: string | undefined;
}

/** What commands are run with. */
export interface CommandSettings {
  readonly command_expansion_filter: string;
  readonly export_environment: string;
  readonly command_time_limit: number;
  readonly local_command_shell: string;
}

/** Characters that a command may have and still be run without a shell. */
const PLAIN = /^[A-Za-z0-9!@%\-_=+:,./ \t]+$/;

/** `$PATH` of commands (local(8)). */
const PATH = "/usr/bin:/bin";

function filtered(value: string, allowed: string): string {
  return Array.from(value, (char) => allowed.includes(char) ? char : "_").join("");
}

function aboutMail(who: CommandFor): Record<string, string | undefined> {
  const { origin } = who.envelope;
  return {
    HOME: who.home,
    LOGNAME: who.user,
    SHELL: who.shell,
    USER: who.user,
    CLIENT_ADDRESS: origin.clientAddress,
    CLIENT_HELO: origin.helo,
    CLIENT_HOSTNAME: origin.clientName,
    CLIENT_PROTOCOL: origin.protocol,
    DOMAIN: who.domain,
    EXTENSION: who.extension,
    LOCAL: who.local,
    ORIGINAL_RECIPIENT: who.original,
    RECIPIENT: who.recipient,
    SENDER: who.sender,
    SASL_METHOD: origin.saslMethod,
    SASL_SENDER: origin.saslSender,
    SASL_USERNAME: origin.saslUsername,
  };
}

/** The names and values of export_environment: `NAME` passes ours on, `NAME=value` sets. */
export function exportedEnvironment(
  list: string,
  inherited: (name: string) => string | undefined,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const item of splitList(list)) {
    const equals = item.indexOf("=");
    const value = equals < 0 ? inherited(item) : item.slice(equals + 1);
    if (value !== undefined) out[equals < 0 ? item : item.slice(0, equals)] = value;
  }
  return out;
}

/** The environment of a command; what comes from the message has only the characters of command_expansion_filter. */
export function commandEnvironment(
  who: CommandFor,
  settings: CommandSettings,
  inherited: (name: string) => string | undefined,
): Record<string, string> {
  const out: Record<string, string> = {
    PATH,
    ...exportedEnvironment(settings.export_environment, inherited),
  };
  for (const [name, value] of Object.entries(aboutMail(who))) {
    if (value !== undefined) out[name] = filtered(value, settings.command_expansion_filter);
  }
  return out;
}

/** How a command line is run: directly when it has nothing for a shell in it, by local_command_shell when there is one. */
export function commandTask(
  command: string,
  environment: Readonly<Record<string, string>>,
  directory: string,
  settings: CommandSettings,
): CommandTask {
  const common = {
    do: "command",
    environment,
    directory,
    timeLimit: settings.command_time_limit * 1000,
  } as const;
  const shell = settings.local_command_shell.trim();
  if (shell !== "") return { ...common, argv: [...shell.split(/[ \t]+/), command] };
  const bySh = ["/bin/sh", "-c", command];
  if (!PLAIN.test(command)) return { ...common, argv: bySh };
  const argv = command.trim().split(/[ \t]+/);
  // A word without a slash that is no program may be one that the shell has built in.
  return argv[0]!.includes("/") ? { ...common, argv } : { ...common, argv, orElse: bySh };
}
