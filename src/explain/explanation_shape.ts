import type { AccessNote, ClientCertificate, ClientFacts, Effect, Stage } from "../access/policy.ts";
import {
  count,
  either,
  finite,
  flag,
  later,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../base/shape.ts";
import type {
  ExplainedCommand,
  ExplainedList,
  ExplainedStep,
  Explanation,
  Lookup,
  Outcome,
  Place,
  ProvenEdit,
} from "./explanation.ts";
import type { DescribedClient, SessionDescription } from "./session_description.ts";

/** Longest text, and most of anything, in an explanation: far above what a person reads; whoever carries one has a limit too. */
const TEXT = text(64 * 1024);
const MANY = 10_000;
const TEXTS = list(TEXT, MANY);

const stage: Shape<Stage> = oneOf(
  "CONNECT",
  "HELO",
  "EHLO",
  "MAIL",
  "RCPT",
  "DATA",
  "END-OF-MESSAGE",
  "VRFY",
  "ETRN",
);

const lookup: Shape<Lookup> = record<Lookup>({
  kind: oneOf("table", "list", "dns", "hosts", "class", "policy", "verify", "spf"),
  source: TEXT,
  key: TEXT,
  answer: optional(TEXT),
  trouble: optional(TEXT),
  file: optional(TEXT),
  line: optional(count),
  request: optional(TEXTS),
});

const place: Shape<Place> = either(
  record<Extract<Place, { from: "file" }>>({ from: oneOf("file"), file: TEXT, line: count }),
  either(
    record<Extract<Place, { from: "default" }>>({ from: oneOf("default") }),
    record<Extract<Place, { name: string }>>({ from: oneOf("environment", "command line"), name: TEXT }),
  ),
);

const effect: Shape<Effect> = either(
  record<Extract<Effect, { is: "delay" }>>({ is: oneOf("delay"), seconds: finite }),
  either(
    record<Extract<Effect, { is: "hold" | "discard" }>>({ is: oneOf("hold", "discard"), text: TEXT }),
    record<Extract<Effect, { is: "redirect" | "filter" | "prepend" | "bcc" }>>({
      is: oneOf("redirect", "filter", "prepend", "bcc"),
      text: TEXT,
    }),
  ),
);

const note: Shape<AccessNote> = record<AccessNote>({
  verb: oneOf(
    "warn",
    "info",
    "hold",
    "discard",
    "redirect",
    "filter",
    "bcc",
    "prepend",
    "reject_warning",
    "permit",
    "delay",
  ),
  text: TEXT,
});

const explainedList: Shape<ExplainedList> = later(() => listShape);

const step: Shape<ExplainedStep> = record<ExplainedStep>({
  restriction: TEXT,
  verdict: oneOf("permit", "reject", "defer_if_permit", "defer_if_reject", "dunno"),
  reply: optional(TEXT),
  warn: optional(oneOf(true)),
  ignored: optional(oneOf(true)),
  applies: optional(TEXT),
  effect: optional(effect),
  note: optional(note),
  sleep: optional(finite),
  lookups: list(lookup, MANY),
  inside: optional(explainedList),
});

const listShape: Shape<ExplainedList> = record<ExplainedList>({
  name: TEXT,
  place: optional(place),
  steps: list(step, MANY),
  notReached: TEXTS,
});

const command: Shape<ExplainedCommand> = record<ExplainedCommand>({
  command: TEXT,
  reply: TEXTS,
  code: count,
  stage: optional(stage),
  lists: list(explainedList, MANY),
  refusedBy: optional(TEXT),
  effects: list(effect, MANY),
  notes: list(note, MANY),
  warnings: TEXTS,
  lookups: list(lookup, MANY),
});

const edit: Shape<ProvenEdit> = record<ProvenEdit>({
  edit: TEXT,
  file: optional(TEXT),
  line: optional(count),
  before: optional(TEXT),
  after: optional(TEXT),
  then: TEXTS,
  command: TEXT,
  reply: TEXT,
  caution: optional(TEXT),
});

const certificate: Shape<ClientCertificate> = record<ClientCertificate>({
  trusted: flag,
  fingerprint: TEXT,
  publicKeyFingerprint: TEXT,
  subject: TEXT,
  issuer: TEXT,
});

const session: Shape<SessionDescription> = record<SessionDescription>({
  service: optional(TEXT),
  client: record<DescribedClient>({
    address: TEXT,
    port: count,
    name: optional(TEXT),
    reverseName: optional(TEXT),
  }),
  helo: optional(TEXT),
  smtp: optional(flag),
  sender: optional(TEXT),
  recipients: TEXTS,
  etrn: optional(TEXT),
  size: optional(count),
  login: optional(record<NonNullable<SessionDescription["login"]>>({ username: TEXT, method: TEXT })),
  tls: optional(
    record<NonNullable<SessionDescription["tls"]>>({
      protocol: TEXT,
      cipher: TEXT,
      keysize: count,
      peer: optional(certificate),
    }),
  ),
});

const client: Shape<ClientFacts> = record<ClientFacts>({
  address: TEXT,
  port: count,
  name: TEXT,
  reverseName: TEXT,
  nameStatus: oneOf(2, 4, 5),
  reverseNameStatus: oneOf(2, 4, 5),
  forged: optional(oneOf(true)),
});

const outcome: Shape<Outcome> = oneOf("permit", "reject", "defer");

const explanation: Shape<Explanation> = record<Explanation>({
  version: oneOf(1),
  configuration: TEXT,
  from: oneOf("disk", "running"),
  service: record<Explanation["service"]>({ name: TEXT, line: optional(count) }),
  session,
  client,
  commands: list(command, MANY),
  outcome,
  decidedBy: record<Explanation["decidedBy"]>({ command: TEXT, reply: TEXT, refusedBy: optional(TEXT) }),
  edits: list(edit, MANY),
  tried: count,
  partial: optional(edit),
  assumptions: TEXTS,
  warnings: TEXTS,
});

/** What the running service answers when it is asked to explain. */
export type RunningAnswer =
  | { readonly is: "explained"; readonly explanation: Explanation }
  /** The words make no session here. */
  | { readonly is: "fault"; readonly why: string };

type AnswerOf<Is extends RunningAnswer["is"]> = Extract<RunningAnswer, { readonly is: Is }>;

export const runningAnswer: Shape<RunningAnswer> = tagged<RunningAnswer, "is">("is", {
  explained: record<AnswerOf<"explained">>({ is: oneOf("explained"), explanation }),
  fault: record<AnswerOf<"fault">>({ is: oneOf("fault"), why: TEXT }),
});
