import type {
  AccessPolicy,
  Decision,
  Facts,
  SessionPolicy,
  Stage,
  TraceList,
  Tracer,
  TraceStep,
} from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { replyText } from "../../smtp/reply.ts";
import type { ExplainedCommand, ExplainedList, ExplainedStep, Place } from "../explanation.ts";
import type { Recorder } from "./recorder.ts";

interface OpenStep extends ExplainedStep {
  inside?: OpenList;
}

interface OpenList extends ExplainedList {
  readonly steps: OpenStep[];
  notReached: string[];
}

type Judged = Pick<
  ExplainedCommand,
  "stage" | "lists" | "refusedBy" | "effects" | "notes" | "warnings" | "lookups"
>;

/** Writes down what the policy does for one command after the other. */
export class PolicyTranscript {
  readonly #recorder: Recorder;
  readonly #placeOf: (list: string) => Place | undefined;
  #stage: Stage | undefined;
  #lists: OpenList[] = [];
  /** The list that is being evaluated at each depth. */
  #open: OpenList[] = [];
  #decision: Decision | undefined;
  readonly #tracer: Tracer = {
    list: (begun) => this.#list(begun),
    step: (step) => this.#step(step),
  };

  constructor(recorder: Recorder, placeOf: (list: string) => Place | undefined) {
    this.#recorder = recorder;
    this.#placeOf = placeOf;
  }

  /** What has been written since the last command. */
  take(): Judged {
    const { stage, lists, decision } = { stage: this.#stage, lists: this.#lists, decision: this.#decision };
    this.#stage = this.#decision = undefined;
    this.#lists = [];
    this.#open = [];
    return {
      ...(stage !== undefined && { stage }),
      lists,
      ...(decision?.refusedBy !== undefined && { refusedBy: decision.refusedBy }),
      effects: decision?.effects ?? [],
      notes: decision?.notes ?? [],
      warnings: decision?.warnings ?? [],
      lookups: this.#recorder.take(),
    };
  }

  /** The policy, with its every step written down; `more` are facts that only a real session would have. */
  over(access: AccessPolicy, more: (stage: Stage) => Partial<Facts>): AccessPolicy {
    return {
      problems: access.problems,
      acceptsAddress: (address, other, smtputf8) => access.acceptsAddress(address, other, smtputf8),
      headerContext: (facts) => access.headerContext({ ...facts, ...more("MAIL") }),
      ...(access.checksContent !== undefined && {
        checksContent: (facts: Facts) => access.checksContent!({ ...facts, ...more("MAIL") }),
      }),
      ...(access.signs !== undefined && {
        signs: (facts: Facts) => access.signs!({ ...facts, ...more("MAIL") }),
      }),
      close: () => access.close(),
      open: () => {
        const session = access.open();
        return {
          check: (stage, facts) => this.#check(session, stage, { ...facts, ...more(stage) }),
          spf: (facts) => session.spf(facts),
        };
      },
    };
  }

  #check(session: SessionPolicy, stage: Stage, facts: Facts): MaybeAsync<Decision> {
    this.#stage = stage;
    return then(session.check(stage, facts, this.#tracer), (decision) => {
      this.#decision = decision;
      return decision;
    });
  }

  #list({ list: name, depth, restrictions }: TraceList): void {
    const place = this.#placeOf(name);
    const list: OpenList = {
      name,
      ...(place !== undefined && { place }),
      steps: [],
      notReached: [...restrictions],
    };
    const around = this.#open[depth - 2]?.steps.at(-1);
    if (around === undefined) this.#lists.push(list);
    else around.inside = list;
    this.#open[depth - 1] = list;
  }

  #step({ list: _list, depth, reply, ...step }: TraceStep): void {
    const list = this.#open[depth - 1];
    if (list === undefined) return;
    list.notReached.shift();
    list.steps.push({
      ...step,
      ...(reply !== undefined && { reply: replyText(reply) }),
      lookups: this.#recorder.take(),
    });
  }
}
