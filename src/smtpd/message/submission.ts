import { contentMacros } from "../../cleanup/milters/content_macros.ts";
import type { LateChanges, Submission } from "../../cleanup/cleanup.ts";
import { oneLine } from "../../base/printable.ts";
import { printField } from "../../message/header.ts";
import type { Origin, QueueId } from "../../queue/envelope.ts";
import { DataDecoder } from "../../smtp/data_decoder.ts";
import { checkSpf } from "../../mailauth/spf/check_spf.ts";
import { ContentCheck } from "../authentication/content_check.ts";
import type { ContentSink } from "../before_queue/filtered_mail.ts";
import { factsOf } from "../facts.ts";
import type { Context } from "../context.ts";
import type { Content, Transaction } from "../phase.ts";
import { receivedHeader } from "./received.ts";

const sourceOf = (text: string | undefined): Origin["source"] =>
  text === "LOCAL" || text === "REMOTE" ? text : undefined;

/** The client; or whom it tells of by XFORWARD, and then nothing of itself. */
function clientOf(context: Context, transaction: Transaction): Origin {
  const { client, hello, esmtp, forwarded } = context.facts;
  const source = transaction.localHeaders ? "LOCAL" : "REMOTE";
  if (forwarded === undefined) {
    return {
      clientName: client.name,
      clientAddress: client.address,
      clientPort: client.port,
      helo: hello?.name,
      protocol: esmtp ? "ESMTP" : "SMTP",
      source,
    };
  }
  const { NAME = "unknown", ADDR = "unknown", PORT, HELO, PROTO = "unknown", IDENT, SOURCE } = forwarded;
  return {
    clientName: NAME,
    clientAddress: ADDR,
    clientPort: PORT === undefined ? undefined : Number(PORT),
    helo: HELO,
    protocol: PROTO,
    ident: IDENT,
    source: sourceOf(SOURCE) ?? source,
  };
}

function originOf(context: Context, transaction: Transaction): Origin {
  const { login } = context.facts;
  return {
    ...clientOf(context, transaction),
    saslMethod: login?.method,
    saslUsername: login?.username,
    saslSender: transaction.parameters.auth,
  };
}

/** A table or policy server may say what it likes: it is one line, as in Postfix. */
function prepended({ effects }: Transaction): string[] {
  return effects.prepend.map((text) => printField(oneLine(text)));
}

/** What a filter gets in front of the content. Who is told where the mail came from before us is told nothing of us. */
function headForFilter(context: Context, transaction: Transaction): Buffer {
  const received = context.facts.forwarded === undefined ? [receivedHeader(context, transaction)] : [];
  return Buffer.from([...prepended(transaction), ...received].join(""));
}

function submissionOf(
  context: Context,
  transaction: Transaction,
  id: QueueId,
  check: ContentCheck | undefined,
): Submission {
  const { parameters, effects } = transaction;
  return {
    id,
    arrival: transaction.arrival,
    sender: transaction.sender,
    recipients: transaction.recipients,
    origin: originOf(context, transaction),
    ret: parameters.ret,
    envid: parameters.envid,
    body: parameters.body,
    smtputf8: parameters.smtputf8,
    requireTls: parameters.requireTls,
    verp: parameters.verp,
    contentFilter: effects.filter ?? context.settings.contentFilter,
    hold: effects.hold,
    discard: effects.discard,
    redirect: effects.redirect,
    prepend: [...prepended(transaction), receivedHeader(context, transaction)],
    completeHeaders: transaction.localHeaders,
    signs: transaction.signs,
    milters: miltersFor(context, transaction, id),
    ...authenticationOf(context, check),
  };
}

/** What is thrown away is no business of milters. */
function miltersFor(
  context: Context,
  { effects, parameters }: Transaction,
  id: QueueId,
): Submission["milters"] {
  const { facts: { milters: chain, client, server, login }, settings } = context;
  if (chain === undefined || effects.discard) return undefined;
  const macros = contentMacros({
    hostname: settings.myhostname,
    ...settings.milterNames,
    client,
    server,
    id,
    authType: login?.method,
    authUser: login?.username,
    authSender: parameters.auth,
  });
  return { chain, macros };
}

function sinkOf(context: Context, transaction: Transaction, check: ContentCheck | undefined): ContentSink {
  const { id, filter } = transaction;
  if (filter !== undefined) return filter.begin(headForFilter(context, transaction));
  if (id === undefined) throw new Error("content for a transaction that was not opened");
  return context.deps.cleanup.begin(submissionOf(context, transaction, id, check));
}

/** Hands a transaction to cleanup or its filter; the content follows, by DATA or (`counted`: as many bytes as it says) by BDAT. */
export function beginContent(context: Context, transaction: Transaction, counted: boolean): Content {
  const { facts: { lenientNewlines: lenient }, settings } = context;
  // Stray newlines are cleanup's to replace: a filter gets what came.
  const keepBareCr = settings.keepBareCr || transaction.filter !== undefined;
  const check = checkFor(context, transaction);
  return {
    transaction,
    decoder: new DataDecoder({ lenient, keepBareCr, counted }),
    message: sinkOf(context, transaction, check),
    ...(check !== undefined && { check }),
  };
}

/** Mail of those who log in is not checked, and has no results of ours: who is exempt for another reason may be a server of ours. */
function authenticationOf(
  { deps: { authentication }, facts: { login } }: Context,
  check: ContentCheck | undefined,
): Pick<Submission, "authentication"> {
  if (check !== undefined) return { authentication: check };
  if (authentication === undefined || login === undefined) return {};
  return { authentication: { authservId: authentication.authservId, results: undefined } };
}

/** What goes to a filter, or is thrown away, is not checked. */
function checkFor(context: Context, transaction: Transaction): ContentCheck | undefined {
  const { deps, facts: { client, hello, forwarded } } = context;
  const { id, checked, effects, sender, parameters } = transaction;
  const { authentication } = deps;
  if (authentication === undefined || checked !== true || id === undefined || effects.discard) {
    return undefined;
  }
  const { address, name } = forwarded === undefined
    ? client
    : { address: forwarded.ADDR ?? "unknown", name: forwarded.NAME ?? "unknown" };
  const helo = (forwarded === undefined ? hello?.name : forwarded.HELO) ?? "";
  const mail = {
    id,
    client: { address, name },
    helo,
    sender,
    smtputf8: parameters.smtputf8,
    sizeLimit: context.settings.messageSizeLimit,
  };
  // Restrictions may have asked for the client's SPF result; that of a client of another server's is nobody's yet.
  const known = forwarded === undefined
    ? () => context.policy.spf(factsOf(context, { at: "transaction", transaction }))
    : () => undefined;
  const spf = async (signal: AbortSignal) =>
    await known() ??
      await checkSpf({ ip: address, helo, sender, receiver: context.settings.myhostname }, {
        ...authentication.world,
        signal,
      });
  return new ContentCheck(authentication, { ...mail, spf }, deps.log);
}

/** What the end-of-data restrictions changed. */
export function lateChanges({ effects }: Transaction): LateChanges {
  return {
    hold: effects.hold,
    overLimit: effects.overLimit,
    discard: effects.discard,
    redirect: effects.redirect,
    contentFilter: effects.filter,
    bcc: effects.bcc,
  };
}
