import { type LightConfiguration } from "../../config/read_settings.ts";
import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import { submitRefusal } from "../../pickup/submit_users.ts";
import type { DropWriter } from "../../pickup/drop/drop_writer.ts";
import { environmentVariables, writeOut } from "../../platform/process/this_process.ts";
import { endBySignal, onEndingSignals } from "../../platform/process/ending_signals.ts";
import { ownIds, type SystemUser, userById } from "../../platform/process/users.ts";
import type { CommandContext } from "../command.ts";
import { Complaints, EX_TEMPFAIL, SendmailFault } from "./_complaints.ts";
import { faultText, readConfiguration } from "./_configuration.ts";
import { HELP } from "./_help.ts";
import { logNotes } from "./_log_notes.ts";
import { namedDirectory, readOptions, type SendmailOptions } from "./_options.ts";
import { fullNameOf, senderOf } from "./_sender.ts";
import { submit } from "./_submit.ts";

/** `mta sendmail`, and its links mailq and newaliases (sendmail(1)). */
export async function sendmail(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const complaints = new Complaints(context.name);
  try {
    return await obey(context, complaints);
  } catch (error) {
    if (error instanceof ConfigurationFault) complaints.say("fatal", faultText(error.diagnostics));
    else if (error instanceof SendmailFault) complaints.say("fatal", error.message);
    else throw error;
    return EX_TEMPFAIL;
  }
}

/** A call that is understood. */
interface Call {
  readonly context: CommandContext;
  readonly complaints: Complaints;
  readonly configuration: LightConfiguration;
  readonly options: SendmailOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

async function obey(context: CommandContext, complaints: Complaints): Promise<number> {
  const environment = environmentVariables();
  const named = namedDirectory(context.args, complaints);
  const configuration = readConfiguration({ given: context.configDirectory, named, environment }, complaints);
  complaints.logTo(logNotes(configuration));
  const { name, verbose, args: words } = context;
  const options = readOptions({ name, verbose, words }, configuration.settings, complaints);
  return await act({ context, complaints, configuration, options, environment });
}

/** What each mode does; what is no mail is another command's matter. */
async function act(call: Call): Promise<number> {
  const { options } = call;
  if (options.interval !== undefined && options.mode !== "daemon") return 0;
  switch (options.mode) {
    case "enqueue":
      if (options.site !== undefined) return handOver(call, "flush site", "postqueue", ["-s", options.site]);
      if (options.queueId !== undefined) {
        return handOver(call, "flush queue_id", "postqueue", ["-i", options.queueId]);
      }
      return await enqueue(call);
    case "mailq":
      return handOver(call, "display queue mode", "postqueue", ["-p"]);
    case "flush":
      return handOver(call, "flush queue mode", "postqueue", ["-f"]);
    case "daemon":
      return handOver(call, "daemon mode", "start", []);
    case "newaliases":
      return makeAliases(call);
    case "session":
      throw new SendmailFault("unsupported: -bs");
    case "nothing":
      return 0;
  }
}

function handOver(call: Call, mode: string, name: string, args: readonly string[]): Promise<number> {
  const { context, options, configuration } = call;
  if (options.recipients.length > 0) throw new SendmailFault(`${mode} requires no recipient`);
  return context.run({ name, args, configDirectory: configuration.directory });
}

function makeAliases(call: Call): Promise<number> | number {
  const { aliases } = call.options;
  const mode = "alias initialization mode";
  return aliases === undefined
    ? handOver(call, mode, "newaliases", [])
    : handOver(call, mode, "postalias", ["--", aliases]);
}

async function enqueue(call: Call): Promise<number> {
  const { complaints, configuration, options, environment } = call;
  const { uid } = ownIds();
  const row = userById(uid);
  await checkSubmitter(call, uid, row);
  const sender = senderOf(options.sender, { uid, row }, (text) => complaints.say("warning", text));
  const fullName = fullNameOf(options.fullName, environment, row);
  let drop: DropWriter | undefined;
  onEndingSignals((signal) => {
    drop?.discard();
    endBySignal(signal);
  });
  try {
    await submit({ configuration, options, sender, fullName, now: Date.now(), begun: (it) => drop = it });
  } catch (error) {
    if (!(error instanceof SendmailFault)) throw error;
    throw new SendmailFault(`${sender}(${uid}): ${error.message}`, { cause: error });
  }
  if (options.verifyOnly || options.verbose === 1) {
    writeOut(`Mail Delivery Status Report will be mailed to <${sender}>.\n`);
  }
  return 0;
}

/** Pickup asks again: here it is for who wants to know at once. */
async function checkSubmitter(call: Call, uid: number, row: SystemUser | undefined): Promise<void> {
  const { configuration: { settings, directory, parameter }, complaints } = call;
  const name = row?.name ?? "unknown";
  const refusal = await submitRefusal(settings.authorized_submit_users, name, {
    directory,
    parameter,
    warn: (text) => complaints.say("warning", text),
    clock: Date.now,
  });
  if (refusal === undefined) return;
  if (refusal !== "not listed") throw new SendmailFault(refusal.trouble);
  throw new SendmailFault(`User ${name}(${uid}) is not allowed to submit mail`);
}
