import { event } from "./event.ts";

const also = (name: string, value: string | undefined) => value === undefined ? "" : `, ${name}=${value}`;

/** Events of smtpd and cleanup (`connect` to `disconnect`, queue entry). `client` is `name[address]`. */
export const smtpdEvents = {
  connect: event<{ client: string }>("info", (e) => `connect from ${e.client}`),
  disconnect: event<{ client: string; statistics: string }>(
    "info",
    (e) => `disconnect from ${e.client} ${e.statistics}`,
  ),
  /** The first good recipient of a message. */
  client: event<{
    id: string;
    client: string;
    saslMethod?: string;
    saslUsername?: string;
    saslSender?: string;
    originalId?: string;
    originalClient?: string;
  }>(
    "info",
    (e) =>
      `${e.id}: client=${e.client}${also("sasl_method", e.saslMethod)}${
        also("sasl_username", e.saslUsername)
      }` +
      `${also("sasl_sender", e.saslSender)}${also("orig_queue_id", e.originalId)}` +
      `${also("orig_client", e.originalClient)}`,
  ),
  /** A refusal, and the notes of access actions: `verb` is reject, warn, info, hold, discard, ... `id` is NOQUEUE before there is one. */
  reject: event<
    {
      id: string;
      verb: string;
      stage: string;
      client: string;
      text: string;
      envelope: string;
      /** What the operator can do, where it is not what it looks like. */
      remark?: string | undefined;
    }
  >(
    "info",
    (e) =>
      `${e.id}: ${e.verb}: ${e.stage} from ${e.client}: ${e.text}; ${e.envelope}` +
      (e.remark === undefined ? "" : ` (${e.remark})`),
  ),
  /** What a filter before the queue said of a message (smtpd_proxy_filter). */
  filtered: event<{ verb: string; reply: string; envelope: string }>(
    "info",
    (e) => `${e.verb}: END-OF-MESSAGE: ${e.reply}; ${e.envelope}`,
  ),
  /** `reason` is `lost connection`, `timeout` or `too many errors`. */
  sessionBroken: event<{ reason: string; where: string; client: string }>(
    "info",
    (e) => `${e.reason} after ${e.where} from ${e.client}`,
  ),
  nonSmtpCommand: event<{ client: string; line: string }>(
    "warning",
    (e) => `non-SMTP command from ${e.client}: ${e.line}`,
  ),
  improperPipelining: event<{ where: string; client: string; input: string }>(
    "info",
    (e) => `improper command pipelining after ${e.where} from ${e.client}: ${e.input}`,
  ),
  illegalAddress: event<{ client: string; where: string; path: string }>(
    "warning",
    (e) => `Illegal address syntax from ${e.client} in ${e.where} command: ${e.path}`,
  ),
  longRequest: event<{ client: string; limit: number; start: string }>(
    "warning",
    (e) => `${e.client}: request longer than ${e.limit}: ${e.start}...`,
  ),
  /** In the words that fail2ban's filters look for. */
  saslFailed: event<
    { client: string; mechanism: string; reason: string; username: string; temporary: boolean }
  >(
    "warning",
    (e) => `${e.client}: SASL ${e.mechanism} authentication failed: ${e.reason}, sasl_username=${e.username}`,
  ),
  saslAborted: event<{ client: string; mechanism: string }>(
    "warning",
    (e) => `${e.client}: SASL ${e.mechanism} authentication aborted`,
  ),
  bareNewline: event<{ client: string; where: string }>(
    "info",
    (e) => `bare <LF> received after ${e.where} from ${e.client}`,
  ),
  /** `kind` is `Connection concurrency`, `Connection rate`, `Message delivery request rate` or `Recipient address rate`. */
  limitExceeded: event<{ kind: string; number: number; client: string; service: string }>(
    "warning",
    (e) => `${e.kind} limit exceeded: ${e.number} from ${e.client} for service ${e.service}`,
  ),
  /** A message that a local user submitted; `from` as it was given. */
  pickedUp: event<{ id: string; uid: number; from: string }>(
    "info",
    (e) => `${e.id}: uid=${e.uid} from=<${e.from}>`,
  ),
  /** `messageId` with its angle brackets; `resent` when it is the Resent-Message-ID. */
  messageId: event<{ id: string; messageId: string; resent?: boolean }>(
    "info",
    (e) => `${e.id}: ${e.resent ? "resent-" : ""}message-id=${e.messageId}`,
  ),
  /** header_checks and body_checks; `kind` is header or body, `more` the action's text. */
  contentCheck: event<
    { id: string; verb: string; kind: string; text: string; origin: string; more: string }
  >(
    "info",
    (e) => `${e.id}: ${e.verb}: ${e.kind} ${e.text} ${e.origin}${e.more === "" ? "" : `: ${e.more}`}`,
  ),
  mimeError: event<{ id: string; error: string; text: string; origin: string }>(
    "info",
    (e) => `${e.id}: reject: mime-error ${e.error}: ${e.text} ${e.origin}`,
  ),
  /** A DKIM signature, in OpenDKIM's words; `last` of those that the message gets. */
  dkimSigned: event<{ id: string; selector: string; domain: string; last: boolean }>(
    "info",
    (e) => `${e.id}: DKIM-Signature field added (s=${e.selector}, d=${e.domain})`,
  ),
  /** What checks said of a message (mail_authentication); `dkim` has all signatures, `dkimBest` is the best of them. */
  authenticated: event<
    {
      id: string;
      spf: string;
      spfDomain: string;
      dkim: string;
      dkimBest: string;
      arc: string;
      dmarc: string;
      from: string;
      more: string;
    }
  >(
    "info",
    (e) =>
      `${e.id}: authentication: spf=${e.spf} (${e.spfDomain}) dkim=${e.dkim} arc=${e.arc} ` +
      `dmarc=${e.dmarc} (${e.from}${e.more === "" ? "" : `: ${e.more}`})`,
  ),
  /** An ARC set; `chain` is what became of the one before it. */
  arcSealed: event<{ id: string; instance: number; chain: string; selector: string; domain: string }>(
    "info",
    (e) => `${e.id}: ARC set ${e.instance} added (cv=${e.chain}, s=${e.selector}, d=${e.domain})`,
  ),
  arcUnsealed: event<{ id: string; domain: string; why: string }>(
    "warning",
    (e) => `${e.id}: no ARC set added (d=${e.domain}): ${e.why}`,
  ),
  /** A message that should be signed and is not: it waits, or goes without. */
  dkimUnsigned: event<{ id: string; domain: string; why: string; deferred: boolean }>(
    "warning",
    (e) =>
      `${e.id}: no DKIM-Signature field added (d=${e.domain}): ${e.why}` +
      (e.deferred ? " -- message not accepted, try again later" : ""),
  ),
  hopCountExceeded: event<{ id: string }>("warning", (e) => `${e.id}: message rejected: hopcount exceeded`),
} as const;
