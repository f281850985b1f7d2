import { isPromise, type MaybeAsync } from "../../../base/maybe_async.ts";
import { quoteAddress } from "../../../address/address.ts";
import { onlyAsks } from "../../../queue/envelope.ts";
import type { Content } from "../../../queue/store.ts";
import type { DeliveryJob } from "../../agent.ts";
import { breaksCommand } from "../client_commands.ts";
import type { ContentFilter, ContentPlan } from "./content_sender.ts";
import type { DeliveryContext } from "../delivery_context.ts";
import { type Failure, localFailure } from "../failure.ts";
import { CheckFilter } from "./check_filter.ts";
import { ClientCheckRun } from "./client_checks.ts";
import { HeaderFilter } from "./header_filter.ts";
import { MimeDowngrade } from "./mime_downgrade.ts";
import type { Session } from "../client_session.ts";
import type { TransactionContext } from "../transaction.ts";

/** Prepares a message for sending: addresses and lines as they go out, and what each server makes necessary. */
export async function outgoingMessage(
  job: DeliveryJob,
  context: DeliveryContext,
  hooks: Pick<TransactionContext, "keep" | "impatient" | "mayRetryInClear">,
): Promise<TransactionContext> {
  const { settings, log, warn, now, flags } = context;
  const { envelope, content } = job;
  const outgoing = await addressMapping(job, context.generic);
  const prefix = prefixLines(job, flags, outgoing);
  const size = content.size + (prefix?.length ?? 0);
  const downgrades = (session: Session) =>
    settings.convertMime && envelope.body !== "7BIT" && !session.features.eightBitMime;
  const converts = (session: Session) => downgrades(session) && envelope.eightBit === true;
  const utf8Needed = await needsUtf8(job, outgoing);
  return {
    settings,
    outgoing,
    size,
    downgrades,
    probe: onlyAsks(envelope),
    dummyMailAuth: context.logins?.settings.dummyMailAuth === true,
    final: flags.has("X") || settings.assumeFinal,
    warn,
    ...hooks,
    now,
    folded: () =>
      log.emit(settings.program, "lineFolded", { id: envelope.id, limit: settings.lineLengthLimit }),
    plan: (session) => contentPlan(job, context, prefix, converts(session)),
    unfit: (session) =>
      earlyReply(session, context) ?? unfitness(session, size, outgoing(envelope.sender), utf8Needed),
  };
}

/** Addresses as smtp_generic_maps has them; without it they stay. */
async function addressMapping(
  job: DeliveryJob,
  generic: ((address: string) => MaybeAsync<string>) | undefined,
): Promise<(address: string) => string> {
  if (generic === undefined) return (address) => address;
  const mapped = new Map<string, string>();
  const addresses = [job.envelope.sender, ...job.recipients.map(({ recipient }) => recipient.address)];
  for (const address of addresses) {
    if (address === "" || mapped.has(address)) continue;
    const answer = generic(address);
    mapped.set(address, isPromise(answer) ? await answer : answer);
  }
  return (address) => mapped.get(address) ?? address;
}

/** The header lines that `flags=` of master.cf asks for, in the order of a mailbox (smtp(8)). */
function prefixLines(
  job: DeliveryJob,
  flags: ReadonlySet<string>,
  outgoing: (address: string) => string,
): Buffer | undefined {
  const { recipient } = job.recipients[0]!;
  const lines: string[] = [];
  const written = (address: string) => quoteAddress(outgoing(address));
  if (flags.has("R")) lines.push(`Return-Path: <${written(job.envelope.sender)}>\r\n`);
  if (flags.has("O")) lines.push(`X-Original-To: ${written(recipient.original)}\r\n`);
  if (flags.has("D")) lines.push(`Delivered-To: ${written(recipient.address)}\r\n`);
  return lines.length === 0 ? undefined : Buffer.from(lines.join(""));
}

function contentPlan(
  { envelope, content }: DeliveryJob,
  { settings, rewriteField, checks, log, warn }: DeliveryContext,
  prefix: Buffer | undefined,
  downgrade: boolean,
): Omit<ContentPlan, "trailer"> {
  const filters: ContentFilter[] = [];
  if (checks !== undefined) {
    const { program } = settings;
    const note = (text: string) => log.note(program, "info", text);
    const run = new ClientCheckRun(program, { id: envelope.id, note, warn });
    filters.push(new CheckFilter(checks, run, settings.walkLimits));
  }
  if (rewriteField !== undefined) filters.push(new HeaderFilter(rewriteField, settings.walkLimits));
  if (downgrade) filters.push(new MimeDowngrade(settings.walkLimits));
  const known = filters.length === 0 && prefix === undefined && envelope.longestLine !== undefined &&
    envelope.longestLine <= settings.lineLengthLimit;
  return { content, prefix, filters, lineLimit: known ? 0 : settings.lineLengthLimit };
}

/** Whether the message has addresses or header lines beyond ASCII that were promised UTF-8 transport (RFC 6531 §3.1). */
async function needsUtf8(job: DeliveryJob, outgoing: (address: string) => string): Promise<boolean> {
  if (job.envelope.smtputf8 !== true) return false;
  const addresses = [job.envelope.sender, ...job.recipients.map(({ recipient }) => recipient.address)];
  if (addresses.some((address) => /[^\x00-\x7f]/.test(outgoing(address)))) return true;
  return /[^\x00-\x7f]/.test((await headerOf(job.content)).toString("latin1"));
}

/** The header, as far as the first chunk has it. */
async function headerOf(content: Content): Promise<Buffer> {
  const first = content.bytes ?? (await content.chunks()[Symbol.asyncIterator]().next()).value ??
    new Uint8Array();
  const bytes = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  const end = bytes.indexOf("\r\n\r\n");
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** A reply before MAIL is to somebody else's, who spoke before us in this session (CVE-2009-3555). */
function earlyReply({ tls, hasInput, name }: Session, context: DeliveryContext): Failure | undefined {
  const { blockEarlyMailReply, program } = context.tls.settings;
  if (!blockEarlyMailReply || tls === undefined || !hasInput) return undefined;
  context.warn(`server ${name} violates ${program}_tls_block_early_mail_reply policy`);
  return localFailure("4.7.0", "unexpected server message");
}

function unfitness(
  { features, name }: Session,
  size: number,
  sender: string,
  utf8Needed: boolean,
): Failure | undefined {
  if (breaksCommand(sender)) return localFailure("5.1.7", "bad sender address syntax");
  if (utf8Needed && !features.smtputf8) {
    return localFailure("5.6.7", `SMTPUTF8 is required, but was not offered by host ${name}`);
  }
  if (features.sizeLimit > 0 && size > features.sizeLimit) {
    const text = `message size ${size} exceeds size limit ${features.sizeLimit} of server ${name}`;
    return localFailure("5.3.4", text);
  }
  return undefined;
}
