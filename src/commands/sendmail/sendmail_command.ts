import { type LightConfiguration } from "../../config/read_settings.ts";
import { splitList } from "../../config/syntax/list.ts";
import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import type { DropWriter } from "../../pickup/drop/drop_writer.ts";
import { environmentVariables, writeOut } from "../../platform/process/this_process.ts";
import { becomeUser, hasRightsOfOthers, isRoot } from "../../platform/process/effective_ids.ts";
import { endBySignal, onEndingSignals } from "../../platform/process/ending_signals.ts";
import { ownIds, userByIdAnyway } from "../../platform/process/users.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { CommandContext } from "../command.ts";
import { Complaints, EX_TEMPFAIL, SendmailFault, tell } from "./_complaints.ts";
import { diagnosticsText, readConfiguration } from "./_configuration.ts";
import type { ContentRules } from "./_content.ts";
import { helpOf } from "./_help.ts";
import type { SendmailOptions } from "./_option_effects.ts";
import { namedDirectory, readOptions } from "./_options.ts";
import { openRights } from "./_rights.ts";
import { fullNameOf, senderOf } from "./_sender.ts";
import { submit } from "./_submit.ts";

/** `mta sendmail`, and its links mailq and newaliases (sendmail(1)). */
export async function sendmail(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(helpOf(context.name)), 0);
  const complaints = new Complaints(context.name);
  // Who lends us his rights has not chosen our environment: whoever called him has.
  const environment = hasRightsOfOthers() ? {} : environmentVariables();
  let configuration: LightConfiguration | undefined;
  try {
    refuseRights(complaints);
    const named = namedDirectory(context.args, complaints);
    configuration = readConfiguration({ given: context.configDirectory, named, environment }, complaints);
    const { name, args: words } = context;
    const verbose = context.verbose + (environment.MAIL_VERBOSE === undefined ? 0 : 1);
    const options = readOptions({ name, verbose, words }, configuration.settings, complaints);
    return await act({ context, complaints, configuration, options, environment });
  } catch (error) {
    complaints.say("fatal", faultText(error));
    return EX_TEMPFAIL;
  } finally {
    if (configuration !== undefined && complaints.remarks.length > 0) {
      const { logRemarks } = await import("./_log.ts");
      await logRemarks(configuration, complaints.remarks);
    }
  }
}

/** Whatever went wrong, a bug of ours as well: the caller is told in one line, and may try again. */
function faultText(error: unknown): string {
  return error instanceof ConfigurationFault ? diagnosticsText(error.diagnostics) : systemErrorText(error);
}

/** A program that is run as root by anybody is a mistake: sendmail goes on as who called it. */
function refuseRights(complaints: Complaints): void {
  const { uid, gid } = ownIds();
  if (!isRoot() || uid === 0) return;
  complaints.say("warning", "the Postfix sendmail command has set-uid root file permissions");
  complaints.say("warning", "or the command is run from a set-uid root process");
  complaints.say(
    "warning",
    "the Postfix sendmail command must be installed without set-uid root file permissions",
  );
  becomeUser(uid, gid);
}

/** A call that is understood. */
interface Call {
  readonly context: CommandContext;
  readonly complaints: Complaints;
  readonly configuration: LightConfiguration;
  readonly options: SendmailOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What each mode does; what is no mail is another command's matter. */
async function act(call: Call): Promise<number> {
  const { options } = call;
  if (options.interval !== undefined && options.mode !== "daemon") return 0;
  switch (options.mode) {
    case "enqueue":
      if (options.site !== undefined) {
        return await handOver(call, "flush site", "postqueue", ["-s", options.site]);
      }
      if (options.queueId !== undefined) {
        return await handOver(call, "flush queue_id", "postqueue", ["-i", options.queueId]);
      }
      return await enqueue(call);
    case "mailq":
      return await handOver(call, "display queue mode", "postqueue", ["-p"]);
    case "flush":
      return await handOver(call, "flush queue mode", "postqueue", ["-f"]);
    case "daemon":
      return await handOver(call, "daemon mode", "start", []);
    case "newaliases":
      return await makeAliases(call);
    case "session":
      return await session(call);
    case "nothing":
      return 0;
  }
}

async function handOver(call: Call, mode: string, name: string, args: readonly string[]): Promise<number> {
  const { context, options, configuration } = call;
  if (options.recipients.length > 0) throw new SendmailFault(`${mode} requires no recipient`);
  if (name === "postalias" && args.length === 1) return 0;
  return await context.run({ name, args, configDirectory: configuration.directory });
}

/** The tables of alias_database, or the one of -oA, made anew. */
async function makeAliases(call: Call): Promise<number> {
  const { options: { aliases }, configuration: { settings } } = call;
  const tables = aliases === undefined ? splitList(settings.alias_database) : [aliases];
  return await handOver(call, "alias initialization mode", "postalias", ["--", ...tables]);
}

async function session(call: Call): Promise<number> {
  if (call.options.recipients.length > 0) throw new SendmailFault("stand-alone mode requires no recipient");
  const { uid } = ownIds();
  await openRights(call.configuration, (text) => call.complaints.say("warning", text))
    .checkUser(uid, userByIdAnyway(uid));
  const { holdSession } = await import("./_session.ts");
  await holdSession(call.configuration);
  return 0;
}

async function enqueue(call: Call): Promise<number> {
  const { complaints, configuration, options, environment } = call;
  const { uid } = ownIds();
  const row = userByIdAnyway(uid);
  const rights = openRights(configuration, (text) => complaints.say("warning", text));
  await rights.checkUser(uid, row);
  const lineEnds = lineEndsOf(configuration.settings.sendmail_fix_line_endings);
  const sender = senderOf(options.sender, { uid, row }, (text) => complaints.say("warning", text));
  const fullName = fullNameOf(options.fullName, environment, row);
  let drop: DropWriter | undefined;
  onEndingSignals((signal) => {
    drop?.discard();
    endBySignal(signal);
  });
  try {
    await rights.checkSender(uid, row, sender);
    const begun = (it: DropWriter) => drop = it;
    await submit({ configuration, options, sender, fullName, lineEnds, now: Date.now(), begun });
  } catch (error) {
    if (!(error instanceof SendmailFault)) throw error;
    throw new SendmailFault(`${sender}(${uid}): ${error.message}`, { cause: error });
  }
  if (options.verifyOnly || options.verbose === 1) {
    tell(writeOut, `Mail Delivery Status Report will be mailed to <${sender}>.\n`);
  }
  return 0;
}

function lineEndsOf(value: string): ContentRules["lineEnds"] {
  if (value === "always" || value === "strict" || value === "never") return value;
  throw new SendmailFault(`invalid sendmail_fix_line_endings value: ${value}`);
}
