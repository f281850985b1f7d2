import { printable } from "../../base/printable.ts";
import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Resolution } from "../../routing/route.ts";
import { classed, defer, refusalWith, type Reply, replyText, softened } from "../../smtp/reply.ts";
import type { AccessNote, Decision, Effect, Facts, Stage, Tracer, TraceStep } from "../policy.ts";
import type { Query, Refusal, RestrictionList, Step, Subject, Verdict } from "../restriction.ts";
import type { SenderSpf } from "../sender_spf.ts";
import { DUNNO, serverError } from "../verdict.ts";

/** How a list, or one restriction of it, ended. */
export type Outcome = "dunno" | "permit" | "reject";

/** What a walk needs from the policy that it serves. */
export interface WalkRules {
  readonly softBounce: boolean;
  resolve(other: string | undefined, address: string): MaybeAsync<Resolution>;
  /** Validates an address against the tables of known ones (reject_unlisted_recipient). */
  unlisted(whose: "sender" | "recipient", query: Query): MaybeAsync<Verdict>;
  /** Whether a permit by this name is logged (smtpd_log_access_permit_actions); undefined: none is. */
  readonly logsPermit: ((action: string) => MaybeAsync<boolean>) | undefined;
  sleep(seconds: number): Promise<void>;
  /** Refuses a client who may not relay a recipient whom we are no destination for; DUNNO otherwise. */
  mayRelay(query: Query): MaybeAsync<Verdict>;
}

/** What a walk is made with. */
export interface WalkWorld {
  readonly rules: WalkRules;
  /** Of the session. */
  readonly spf: SenderSpf;
  readonly tracer: Tracer | undefined;
}

/** Deepest nesting of lists inside lists; table results that name each other would go on for ever. */
const MAX_DEPTH = 100;
/** What is said where a configured code is none. */
const UNAVAILABLE = defer(450, "4.7.1", "Service unavailable");

/** Trouble with what the operator has set up: he is to hear of it, whatever is only warned of otherwise (warn_if_reject). */
const isOurs = ({ errorClass }: Refusal) =>
  errorClass === "software" || errorClass === "resource" || errorClass === "data";

/** Longest reply line, code and status included (RFC 5321 §4.5.3.1.5). */
const MAX_REPLY = 510;

/** What defer_if_permit left behind, for the stages that follow. */
export interface Deferral {
  readonly refusal: Refusal;
  readonly by: string;
}

/** Where an address leads, beside the other one of the envelope. */
interface Resolved {
  readonly other: string | undefined;
  readonly address: string;
  readonly answer: MaybeAsync<Resolution>;
}

/** The evaluation of the lists of one check: remembers deferred verdicts, notes and effects, and ends in a decision. */
export class Walk {
  readonly facts: Facts;
  readonly stage: Stage;
  readonly #rules: WalkRules;
  readonly #spf: SenderSpf;
  readonly #tracer: Tracer | undefined;
  /** The few pairs that were asked for. */
  readonly #resolved: Resolved[] = [];
  readonly #notes: AccessNote[] = [];
  readonly #effects: Effect[] = [];
  readonly #warnings: string[] = [];
  #checkedSender = false;
  #checkedRecipient = false;
  #depth = 0;
  /** Nesting at which warn_if_reject was given; 0 = not in force. */
  #warnDepth = 0;
  #deferIfReject: Deferral | undefined;
  #refusal: Reply | undefined;
  #refusedBy = "";
  #by = "";
  #discarding: boolean;
  #held: boolean;
  /** The rule by which a permit was granted that is no leave to relay. */
  #noRelaying: string | undefined;

  /** What defer_if_permit wants refused unless something else refuses first; set by the stages between lists. */
  deferIfPermit: Deferral | undefined;

  constructor(stage: Stage, facts: Facts, { rules, spf, tracer }: WalkWorld) {
    this.stage = stage;
    this.facts = facts;
    this.#rules = rules;
    this.#spf = spf;
    this.#tracer = tracer;
    this.#discarding = facts.discarding === true;
    this.#held = facts.held === true;
  }

  /** After DISCARD nothing is evaluated any more. */
  get discarding(): boolean {
    return this.#discarding;
  }

  /** Whether an address has been validated already, so that it is not done twice. */
  hasCheckedUnlisted(whose: "sender" | "recipient"): boolean {
    return whose === "sender" ? this.#checkedSender : this.#checkedRecipient;
  }

  /** Evaluates a parameter's list. Memory of defer_if_reject starts afresh with each. */
  run(list: RestrictionList, about: Subject): MaybeAsync<Outcome> {
    this.#depth = this.#warnDepth = 0;
    this.#deferIfReject = undefined;
    return this.#nonEmpty(list, about);
  }

  /** Evaluates two lists that share the memory of defer_if_reject: relay and recipient restrictions. */
  runBoth(first: RestrictionList, second: RestrictionList, about: Subject): MaybeAsync<Outcome> {
    this.#depth = this.#warnDepth = 0;
    this.#deferIfReject = undefined;
    this.#noRelaying = undefined;
    return then(this.#nonEmpty(first, about), (outcome) => {
      if (outcome === "reject") return outcome;
      this.#depth = this.#warnDepth = 0;
      return this.#nonEmpty(second, about);
    });
  }

  #nonEmpty(list: RestrictionList, about: Subject): MaybeAsync<Outcome> {
    if (list.steps.length > 0) return this.#list(list, about);
    this.#tracer?.list?.({ list: list.name, depth: 1, restrictions: [] });
    return "dunno";
  }

  /** Applies a verdict outside any list: implicit validation at the end of a stage. */
  settle(name: string, verdict: Verdict, about: Subject): MaybeAsync<Outcome> {
    this.#by = name;
    if (this.#tracer === undefined || verdict.is !== "unlisted") return this.#absorb(verdict, about);
    const step = { name: `reject_unlisted_${verdict.whose}` };
    this.#tracer.list?.({ list: name, depth: 1, restrictions: [step.name] });
    return then(this.#unlisted(verdict.whose, about), (known) => {
      this.#trace(name, 1, step, known);
      return this.#absorb(known, about);
    });
  }

  /** Where a permit was no leave to relay, asks whether the client or the recipient's domain has one. */
  checkRelaying(outcome: Outcome, about: Subject): MaybeAsync<Outcome> {
    const name = this.#noRelaying;
    if (outcome === "reject" || name === undefined || this.#discarding) return outcome;
    this.#tracer?.list?.({ list: name, depth: 1, restrictions: ["reject_unauth_destination"] });
    return then(this.#rules.mayRelay(this.query(about)), (verdict) => {
      this.#by = name;
      this.#trace(name, 1, { name: "reject_unauth_destination" }, verdict);
      return then(this.#absorb(verdict, about), (late) => late === "reject" ? late : outcome);
    });
  }

  /** Turns a permit into the refusal that defer_if_permit asked for, if it did. */
  applyDeferral(outcome: Outcome): Outcome {
    if (outcome === "reject" || this.deferIfPermit === undefined) return outcome;
    this.#by = this.deferIfPermit.by;
    return this.#refuse(this.deferIfPermit.refusal);
  }

  /** What smtpd is to do. */
  decision(): Decision {
    return {
      refusal: this.#refusal,
      refusedBy: this.#refusal === undefined ? undefined : this.#refusedBy,
      effects: this.#effects,
      notes: this.#notes,
      warnings: this.#warnings.length === 0 ? undefined : this.#warnings,
    };
  }

  /** The question put to a restriction. */
  query(about: Subject): Query {
    return {
      facts: this.#held && this.facts.held !== true ? { ...this.facts, held: true } : this.facts,
      stage: this.stage,
      about,
      resolve: (other, address) => this.#resolve(other, address),
      spf: () => this.#spf.of(this.facts),
    };
  }

  /** Asked once for each pair; when traced, each restriction asks for itself, so that its step shows why. */
  #resolve(other: string | undefined, address: string): MaybeAsync<Resolution> {
    if (this.#tracer !== undefined) return this.#rules.resolve(other, address);
    const known = this.#resolved.find((each) => each.address === address && each.other === other);
    if (known !== undefined) return known.answer;
    const answer = this.#rules.resolve(other, address);
    this.#resolved.push({ other, address, answer });
    return answer;
  }

  #list(list: RestrictionList, about: Subject): MaybeAsync<Outcome> {
    const query = this.query(about);
    this.#depth++;
    if (this.#tracer?.list !== undefined) {
      const restrictions = list.steps.map(({ name, warn }) => warn ? `warn_if_reject ${name}` : name);
      this.#tracer.list({ list: list.name, depth: this.#depth, restrictions });
    }
    return then(this.#steps(list, about, query, 0), (outcome) => {
      this.#depth--;
      return outcome;
    });
  }

  /** The loop. It goes on by itself as long as the answers are there, and resumes behind a pending one. */
  #steps(list: RestrictionList, about: Subject, query: Query, from: number): MaybeAsync<Outcome> {
    for (let at = from; at < list.steps.length; at++) {
      if (this.#discarding) return "dunno";
      const outcome = this.#step(list, list.steps[at]!, about, query);
      if (isPromise(outcome)) {
        return outcome.then((late) => this.#ends(late) ? late : this.#steps(list, about, query, at + 1));
      }
      if (this.#ends(outcome)) return outcome;
    }
    return "dunno";
  }

  /** A list ends at the first decision, or when whatever comes would be deferred anyway. */
  #ends(outcome: Outcome): boolean {
    return outcome !== "dunno" || (this.deferIfPermit !== undefined && this.#deferIfReject !== undefined);
  }

  #step(list: RestrictionList, step: Step, about: Subject, query: Query): MaybeAsync<Outcome> {
    if (step.warn && this.#warnDepth === 0) this.#warnDepth = this.#depth;
    this.#by = `${list.name}/${step.name}`;
    const verdict = step.evaluate(query);
    if (this.#tracer !== undefined) return this.#tracedStep(list, step, about, verdict);
    if (isSilent(verdict)) return this.#after("dunno");
    return then(verdict, (known) => {
      this.#by = `${list.name}/${step.name}`;
      return then(this.#absorb(known, about), (outcome) => this.#after(outcome));
    });
  }

  /** The same, told to the tracer; what reject_unlisted_recipient and its kin find out belongs to their step. */
  #tracedStep(
    list: RestrictionList,
    step: Step,
    about: Subject,
    verdict: MaybeAsync<Verdict>,
  ): MaybeAsync<Outcome> {
    const depth = this.#depth;
    const found = then(
      verdict,
      (known) => known.is === "unlisted" ? this.#unlisted(known.whose, about) : known,
    );
    return then(found, (known) => {
      this.#by = `${list.name}/${step.name}`;
      this.#trace(list.name, depth, step, known);
      return then(this.#absorb(known, about), (outcome) => this.#after(outcome));
    });
  }

  #after(outcome: Outcome): Outcome {
    if (this.#warnDepth >= this.#depth) this.#warnDepth = 0;
    return outcome;
  }

  #absorb(verdict: Verdict, about: Subject): MaybeAsync<Outcome> {
    if (verdict.warnings !== undefined) this.#warnings.push(...verdict.warnings);
    switch (verdict.is) {
      case "dunno":
        return "dunno";
      case "permit":
        return this.#permit(verdict);
      case "reject":
        if (verdict.denied === undefined) return this.#refuse(verdict.refusal);
        return then(this.#permit(verdict.denied), () => this.#refuse(verdict.refusal));
      case "defer_if_permit":
        if (this.#warnDepth > 0) return this.#refuse(verdict.refusal);
        this.deferIfPermit ??= { refusal: verdict.refusal, by: this.#by };
        return "dunno";
      case "defer_if_reject":
        this.#deferIfReject ??= { refusal: verdict.refusal, by: this.#by };
        return "dunno";
      case "act":
        return this.#act(verdict);
      case "apply":
        return this.#apply(verdict);
      case "unlisted":
        return then(this.#unlisted(verdict.whose, about), (known) => this.#absorb(known, about));
      case "sleep":
        return this.#rules.sleep(verdict.seconds).then(() => "dunno");
    }
  }

  #permit(verdict: Extract<Verdict, { is: "permit" }>): MaybeAsync<Outcome> {
    const outcome = verdict.counts === false ? "dunno" : "permit";
    if (outcome === "permit") this.#noRelaying ??= verdict.noRelaying;
    const unlogged = verdict.logged === false || this.deferIfPermit !== undefined;
    if (this.#rules.logsPermit === undefined || unlogged) return outcome;
    return then(this.#rules.logsPermit(verdict.action), (logs) => {
      const from = verdict.from === undefined ? "" : `from ${verdict.from}`;
      const text = `action=${verdict.action} for ${verdict.about.class}=${verdict.about.name} ${from}`;
      if (logs) this.#notes.push({ verb: "permit", text });
      return outcome;
    });
  }

  #act(verdict: Extract<Verdict, { is: "act" }>): MaybeAsync<Outcome> {
    const { note, effect } = verdict;
    if (effect?.is === "hold" && this.#held) return "dunno";
    if (note !== undefined) this.#notes.push(note);
    if (effect !== undefined) this.#effects.push(effect);
    if (effect?.is === "hold") this.#held = true;
    if (effect?.is === "discard") this.#discarding = true;
    return verdict.permit === undefined ? "dunno" : this.#permit(verdict.permit);
  }

  #apply(verdict: Extract<Verdict, { is: "apply" }>): MaybeAsync<Outcome> {
    if (this.#depth > MAX_DEPTH) {
      const error = serverError(`access table ${verdict.list.name} causes unreasonable recursion`);
      return this.#absorb(error, verdict.about);
    }
    return then(this.#list(verdict.list, verdict.about), (outcome) => {
      if (outcome !== "permit" || verdict.onPermit === undefined) return outcome;
      if (verdict.onPermit === "ignore") return "dunno";
      if (verdict.onPermit.is === "no relaying") {
        this.#noRelaying ??= verdict.onPermit.rule;
        return outcome;
      }
      return this.#discarding ? outcome : this.#absorb(verdict.onPermit, verdict.about);
    });
  }

  #checked(whose: "sender" | "recipient"): void {
    if (whose === "sender") this.#checkedSender = true;
    else this.#checkedRecipient = true;
  }

  #unlisted(whose: "sender" | "recipient", about: Subject): MaybeAsync<Verdict> {
    if (this.hasCheckedUnlisted(whose)) return DUNNO;
    if (this.#warnDepth === 0) this.#checked(whose);
    return this.#rules.unlisted(whose, this.query(about));
  }

  /** Refuses, or does what stands in for it: a warning (warn_if_reject), or the deferral asked for before. */
  #refuse(refusal: Refusal): Outcome {
    const warning = this.#warnDepth > 0 && !isOurs(refusal);
    const reply = this.#reply(refusal);
    if (!warning && this.#deferIfReject !== undefined && reply.code >= 500) {
      const earlier = this.#deferIfReject;
      this.#deferIfReject = undefined;
      this.#warnDepth = 0;
      this.#by = earlier.by;
      return this.#refuse(earlier.refusal);
    }
    const final = this.#rules.softBounce ? softened(reply) : reply;
    if (warning) {
      this.#notes.push({ verb: "reject_warning", text: replyText(final) });
      return "dunno";
    }
    this.#refusal = refusal.errorClass === undefined ? final : classed(final, refusal.errorClass);
    this.#refusedBy = this.#by;
    return "reject";
  }

  /** The reply; a configured code or status that is none becomes a generic deferral (smtpd(8)). */
  #reply({ code, status, text }: Refusal): Reply {
    // Control characters become blanks, so that a reply stays one line (smtpd_check_reject).
    const room = MAX_REPLY - 5 - status.length;
    const reply = refusalWith(code, status, printable(text, " ").slice(0, room));
    if (reply !== undefined) return reply;
    const what = code < 400 || code > 599 ? "SMTP reply code" : "DSN detail code";
    this.#warnings.push(`${what} configuration error: ${code} ${status} ${text}`);
    return UNAVAILABLE;
  }

  #trace(list: string, depth: number, step: Pick<Step, "name">, verdict: Verdict): void {
    if (this.#tracer === undefined) return;
    const said = this.#warnings.length;
    const reply = "refusal" in verdict ? this.#reply(verdict.refusal) : undefined;
    this.#warnings.length = said; // it will be said when the refusal counts
    this.#tracer.step({
      list,
      restriction: step.name,
      depth,
      verdict: tracedVerdict(verdict),
      ...(reply !== undefined && { reply }),
      ...(this.#warnDepth > 0 && { warn: true }),
      ...tracedDetails(verdict),
    });
  }
}

/** The common case: an answer that is there and says nothing. */
function isSilent(verdict: MaybeAsync<Verdict>): boolean {
  return !isPromise(verdict) && verdict.is === "dunno" && verdict.warnings === undefined;
}

/** The verdict as a trace shows it: what is done on the way counts as going on. */
function tracedVerdict(verdict: Verdict): TraceStep["verdict"] {
  switch (verdict.is) {
    case "permit":
    case "reject":
    case "defer_if_permit":
    case "defer_if_reject":
      return verdict.is;
    case "act":
      return verdict.permit === undefined ? "dunno" : "permit";
    default:
      return "dunno";
  }
}

/** What a trace shows beside the verdict. */
function tracedDetails(verdict: Verdict): Partial<TraceStep> {
  switch (verdict.is) {
    case "permit":
      return verdict.counts === false ? { ignored: true } : {};
    case "apply":
      return { applies: verdict.list.name };
    case "act": {
      const { effect, note, permit } = verdict;
      return {
        ...(effect !== undefined && { effect }),
        ...(note !== undefined && { note }),
        ...(permit?.counts === false && { ignored: true }),
      };
    }
    case "sleep":
      return { sleep: verdict.seconds };
    default:
      return {};
  }
}
