import type { LightConfiguration } from "../../config/read_settings.ts";
import type { WalkLimits } from "../../message/mime_walker.ts";
import { type DropWriter, writeDrop } from "../../pickup/drop/drop_writer.ts";
import type { DropEnvelope } from "../../pickup/drop/drop_records.ts";
import { standardInputAsItComes } from "../../platform/process/standard_input.ts";
import { every } from "../../platform/timer.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import { readAddressList } from "../../rewrite/address_list.ts";
import { SendmailFault } from "./_complaints.ts";
import { Content, type ContentRules } from "./_content.ts";
import { HeaderRecipients } from "./_header_recipients.ts";
import type { SendmailOptions } from "./_option_effects.ts";
import { inUtf8 } from "./_sender.ts";

/** A message to be dropped, and for whom. */
export interface SubmissionCall {
  readonly configuration: LightConfiguration;
  readonly options: SendmailOptions;
  readonly sender: string;
  readonly fullName: string | undefined;
  readonly lineEnds: ContentRules["lineEnds"];
  readonly now: number;
  /** Hears of the drop when there is one, so that a signal can take it away. */
  readonly begun: (drop: DropWriter) => void;
}

function envelopeOf({ options, sender, fullName, now }: SubmissionCall): DropEnvelope {
  const { ret, envid, body, smtputf8, relayed, verp, verifyOnly, verbose, requireTls } = options;
  return {
    time: now,
    sender,
    ...(fullName !== undefined && { fullName }),
    ...(ret !== undefined && { ret }),
    ...(envid !== undefined && { envid }),
    ...(body !== undefined && { body }),
    ...(smtputf8 && { smtputf8 }),
    ...(requireTls && { requireTls }),
    ...(relayed && { relayed }),
    ...(verp !== undefined && { verp }),
    ...(verifyOnly && { verifyOnly }),
    // Once asks for a report; more often for a talkative program.
    ...(!verifyOnly && verbose === 1 && { reportDelivery: true }),
  };
}

/** Takes the message from standard input; when this resolves it is durable. */
export async function submit(call: SubmissionCall): Promise<void> {
  const { options, sender } = call;
  if (options.verp !== undefined && sender === "") {
    throw new SendmailFault("-V option requires non-null sender address");
  }
  const drop = writing(() => writeDrop(call.configuration.settings.queue_directory, envelopeOf(call)));
  call.begun(drop);
  try {
    let count = addRecipients(drop, options.recipients.flatMap(addressesOf), options.notify);
    if (options.verifyOnly) writing(() => drop.content(Buffer.from(probe(sender, options.recipients))));
    else count += addRecipients(drop, await copyContent(drop, call), options.notify);
    if (count === 0) throw new SendmailFault(noRecipients(options));
    writing(() => drop.finish());
  } catch (error) {
    drop.discard();
    throw error;
  }
}

function noRecipients({ recipientsFromHeader }: SendmailOptions): string {
  return recipientsFromHeader
    ? "No recipient addresses found in message header"
    : "Recipient addresses must be specified on the command line or via the -t option";
}

/** Each word is read as the value of a header field is; one without an address is one without a name. */
function addressesOf(word: string): readonly string[] {
  const addresses = readAddressList(inUtf8(word));
  return addresses.length === 0 ? [""] : addresses;
}

function addRecipients(drop: DropWriter, addresses: readonly string[], notify: number): number {
  for (const address of addresses) {
    writing(() => drop.recipient({ address, ...(notify !== 0 && { notify }) }));
  }
  return addresses.length;
}

/** What a request to verify has for content. */
function probe(sender: string, recipients: readonly string[]): string {
  const from = sender === "" ? "" : `From: ${sender}\n`;
  const to = recipients.length === 0 ? "" : `To:\t${recipients.join(",\n\t")}\n`;
  return `${from}Subject: probe\n${to}`;
}

/** A drop that is being written is touched so often, in milliseconds. */
const KEEP = 3_600_000;

/** Copies standard input into the drop; answers whom its header names, if they shall get it. */
async function copyContent(drop: DropWriter, call: SubmissionCall): Promise<readonly string[]> {
  const { settings } = call.configuration;
  const content = new Content({
    dotEnds: call.options.dotEnds,
    lineEnds: call.lineEnds,
    longestLine: settings.line_length_limit,
  });
  const header = call.options.recipientsFromHeader ? new HeaderRecipients(limitsOf(call)) : undefined;
  let size = 0;
  const put = (bytes: Buffer) => {
    if (bytes.length === 0) return;
    size += bytes.length;
    if (settings.message_size_limit > 0 && size > settings.message_size_limit) {
      throw new SendmailFault("message file too big");
    }
    header?.push(bytes);
    writing(() => drop.content(bytes));
  };
  // A program may be silent for days, such as a job of cron's whose output we are.
  const cancel = every(KEEP, () => drop.keep());
  try {
    for await (const bytes of reading(standardInputAsItComes())) {
      put(content.push(bytes));
      if (content.isOver) break;
    }
  } finally {
    cancel();
  }
  put(content.end());
  return header?.addresses() ?? [];
}

function limitsOf({ configuration: { settings } }: SubmissionCall): WalkLimits {
  return {
    line: settings.line_length_limit,
    header: settings.header_size_limit,
    boundary: settings.mime_boundary_length_limit,
    nesting: settings.mime_nesting_limit,
  };
}

async function* reading(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* input;
  } catch (error) {
    throw new SendmailFault(`error reading input: ${systemErrorText(error)}`, { cause: error });
  }
}

/** Does something with the drop; the system's error becomes what the caller is told. */
function writing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new SendmailFault(writeFault(error), { cause: error });
  }
}

function writeFault(error: unknown): string {
  const why = `error writing queue file: ${systemErrorText(error)}`;
  return errorCode(error) === "ENOENT"
    ? `${why} (the folder of drops is made when the mail system starts)`
    : why;
}
