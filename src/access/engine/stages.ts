import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { inTurn } from "../../rewrite/in_turn.ts";
import { addressSubject, type Whose } from "../restrictions/address_restrictions.ts";
import { clientText } from "../reply/client_text.ts";
import { type Facts, PASS, type SessionPolicy, type Stage } from "../policy.ts";
import type { RestrictionList, Subject } from "../restriction.ts";
import { type Deferral, type Outcome, Walk, type WalkRules } from "./walk.ts";
import type { AccessSettings } from "../restriction_deps.ts";
import type { SenderSpf } from "../sender_spf.ts";

/** The restriction lists of a service. */
export interface Lists {
  readonly client: RestrictionList;
  readonly helo: RestrictionList;
  readonly sender: RestrictionList;
  readonly relay: RestrictionList;
  readonly recipient: RestrictionList;
  readonly etrn: RestrictionList;
  readonly data: RestrictionList;
  readonly endOfData: RestrictionList;
}

/** The settings that say which list runs when. */
export type StageSettings = Pick<
  AccessSettings,
  | "smtpd_delay_reject"
  | "smtpd_relay_before_recipient_restrictions"
  | "smtpd_reject_unlisted_recipient"
  | "smtpd_reject_unlisted_sender"
  | "smtpd_client_port_logging"
>;

/** Evaluates the stages of a session (smtpd(8); SMTPD_ACCESS_README, "Delayed evaluation"). */
export interface Stages {
  /** The stages of a session that begins. */
  open(): SessionPolicy;
}

/** What is remembered of a session between its stages. */
interface SessionMemory {
  client: Deferral | undefined;
  helo: Deferral | undefined;
  sender: Deferral | undefined;
  /** For policy servers: one text per delivery request. */
  instance: string;
  readonly spf: SenderSpf;
}

/** What sessions begin with. */
export interface SessionWorld {
  nextInstance(): string;
  openSpf(): SenderSpf;
}

/** Builds the stages of one service. */
export function createStages(
  settings: StageSettings,
  lists: Lists,
  rules: WalkRules,
  { nextInstance, openSpf }: SessionWorld,
): Stages {
  const immediate = !settings.smtpd_delay_reject;
  const planned: Readonly<Record<Stage, Plan>> = {
    CONNECT: immediate ? [client] : [],
    HELO: immediate ? [helo] : [],
    EHLO: immediate ? [helo] : [],
    MAIL: immediate ? [sender] : [],
    RCPT: immediate ? [recipient] : [client, helo, sender, recipient],
    VRFY: immediate ? [recipient] : [client, helo, sender, recipient],
    ETRN: immediate ? [etrn] : [client, helo, etrn],
    DATA: [data],
    "END-OF-MESSAGE": [endOfData],
  };
  /** The stages that ask one list and nothing else. */
  const alone: Readonly<Partial<Record<Stage, RestrictionList>>> = {
    DATA: lists.data,
    "END-OF-MESSAGE": lists.endOfData,
  };
  const checkOf = (memory: SessionMemory): SessionPolicy["check"] => (stage, given, trace) => {
    if (stage === "MAIL") {
      memory.instance = nextInstance();
      memory.spf.begin();
    }
    const plan = planned[stage];
    if (plan.length === 0 || isBarePostmaster(stage, given)) return PASS;
    // Only who is told of each list wants to hear of one without restrictions.
    if (trace === undefined && alone[stage]?.steps.length === 0) return PASS;
    const facts = factsFor(stage, given, memory);
    const walk = new Walk(stage, facts, { rules, spf: memory.spf, tracer: trace });
    const run: Run = { walk, facts, memory, lists, settings };
    return then(
      inTurn(plan, (step) => then(step(run), (outcome) => outcome === "reject" ? outcome : undefined)),
      () => walk.decision(),
    );
  };
  return {
    open: () => {
      const spf = openSpf();
      const none = { client: undefined, helo: undefined, sender: undefined };
      return {
        check: checkOf({ ...none, instance: nextInstance(), spf }),
        spf: (facts) => spf.of(facts),
      };
    },
  };
}

interface Run {
  readonly walk: Walk;
  readonly facts: Facts;
  readonly memory: SessionMemory;
  readonly lists: Lists;
  readonly settings: StageSettings;
}

type Plan = readonly ((run: Run) => MaybeAsync<Outcome>)[];

/** RFC 5321 §4.5.1: mail for postmaster without a domain is always taken. */
function isBarePostmaster(stage: Stage, facts: Facts): boolean {
  return (stage === "RCPT" || stage === "VRFY") && facts.recipient?.toLowerCase() === "postmaster";
}

/** With several recipients none stands for the message; a transaction has a name for policy servers once MAIL is accepted. */
function factsFor(stage: Stage, facts: Facts, memory: SessionMemory): Facts {
  const many = (stage === "DATA" || stage === "END-OF-MESSAGE") && facts.recipientCount > 1;
  const recipient = many ? undefined : facts.recipient;
  const begun = stage !== "MAIL" && facts.sender !== undefined;
  return { ...facts, recipient, instance: facts.instance ?? (begun ? memory.instance : "") };
}

function client({ walk, facts, memory, lists, settings }: Run): MaybeAsync<Outcome> {
  walk.deferIfPermit = undefined;
  const about: Subject = {
    name: clientText(facts.client, settings.smtpd_client_port_logging),
    class: "Client host",
  };
  return then(walk.run(lists.client, about), (outcome) => {
    memory.client = walk.deferIfPermit;
    return outcome;
  });
}

function helo({ walk, facts, memory, lists }: Run): MaybeAsync<Outcome> {
  if (facts.helo === undefined) return "dunno";
  walk.deferIfPermit = memory.client;
  return then(walk.run(lists.helo, { name: facts.helo, class: "Helo command" }), (outcome) => {
    memory.helo = walk.deferIfPermit;
    return outcome;
  });
}

function sender({ walk, facts, memory, lists, settings }: Run): MaybeAsync<Outcome> {
  const address = facts.sender;
  if (address === undefined) return "dunno";
  walk.deferIfPermit = memory.client ?? memory.helo;
  return then(walk.run(lists.sender, addressSubject("sender", address)), (outcome) => {
    memory.sender = walk.deferIfPermit;
    const validates = settings.smtpd_reject_unlisted_sender && outcome !== "reject" && address !== "";
    return validates ? validate(walk, "sender", address) : outcome;
  });
}

/** The implicit validation at the end of a stage, unless a restriction has done it. */
function validate(walk: Walk, whose: Whose, address: string): MaybeAsync<Outcome> {
  if (walk.discarding || walk.hasCheckedUnlisted(whose)) return "dunno";
  const name = `smtpd_reject_unlisted_${whose}`;
  return walk.settle(name, { is: "unlisted", whose }, addressSubject(whose, address));
}

function recipient({ walk, facts, memory, lists, settings }: Run): MaybeAsync<Outcome> {
  const address = facts.recipient;
  if (address === undefined) return "dunno";
  walk.deferIfPermit = memory.sender;
  const about = addressSubject("recipient", address);
  const [first, second] = settings.smtpd_relay_before_recipient_restrictions
    ? [lists.relay, lists.recipient]
    : [lists.recipient, lists.relay];
  return then(
    walk.runBoth(first, second, about),
    (outcome) =>
      then(walk.checkRelaying(outcome, about), (checked) => {
        const decided = walk.applyDeferral(checked);
        if (decided === "reject" || !settings.smtpd_reject_unlisted_recipient) return decided;
        return validate(walk, "recipient", address);
      }),
  );
}

function etrn({ walk, facts, memory, lists }: Run): MaybeAsync<Outcome> {
  const domain = facts.etrnDomain;
  if (domain === undefined) return "dunno";
  walk.deferIfPermit = memory.client ?? memory.helo;
  return then(
    walk.run(lists.etrn, { name: domain, class: "Etrn command" }),
    (outcome) => walk.applyDeferral(outcome),
  );
}

function data({ walk, lists }: Run): MaybeAsync<Outcome> {
  walk.deferIfPermit = undefined;
  const about: Subject = { name: "DATA", class: "Data command" };
  return then(walk.run(lists.data, about), (outcome) => walk.applyDeferral(outcome));
}

function endOfData({ walk, lists }: Run): MaybeAsync<Outcome> {
  walk.deferIfPermit = undefined;
  const about: Subject = { name: "END-OF-MESSAGE", class: "End-of-data" };
  return then(walk.run(lists.endOfData, about), (outcome) => walk.applyDeferral(outcome));
}
