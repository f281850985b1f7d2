import { editDistance } from "../../base/nearest.ts";
import { splitListChecked } from "../../config/syntax/list.ts";
import { contentFlaw } from "../restrictions/content_restrictions.ts";
import { filterFlaw } from "../restrictions/dnsbl_filter.ts";
import type { PolicyProblem } from "../policy.ts";
import { type Item, restrictionNames, type RestrictionRow, restrictionRow } from "./restriction_rows.ts";
import type {
  DefaultCheck,
  RelayEffect,
  Restriction,
  RestrictionList,
  Step,
  Verdict,
} from "../restriction.ts";
import { CLOSES, NEVER } from "../relay_effect.ts";
import { serverError, warned } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** What a list is compiled with beside the workshop. */
export interface CompileContext {
  readonly restrictionDeps: RestrictionDeps;
  /** A user-defined restriction class by name (smtpd_restriction_classes). */
  classNamed(name: string, defaultCheck: DefaultCheck | undefined): (() => RestrictionList) | undefined;
  /** Hears of flaws; the list is evaluable all the same. */
  problem(problem: PolicyProblem): void;
}

/** Turns the text of a restriction list into steps. A flaw becomes a step that answers as Postfix does when it gets there. */
export function compileList(
  name: string,
  text: string,
  defaultCheck: DefaultCheck | undefined,
  context: CompileContext,
): RestrictionList {
  const { items, problems } = splitListChecked(text);
  const say = (message: string) => context.problem({ level: "warning", parameter: name, text: message });
  for (const problem of problems) say(problem.text);
  return { name, steps: new Compilation(name, items, defaultCheck, context, say).steps() };
}

class Compilation {
  readonly #name: string;
  readonly #items: readonly string[];
  readonly #defaultCheck: DefaultCheck | undefined;
  readonly #context: CompileContext;
  readonly #say: (text: string) => void;

  constructor(
    name: string,
    items: readonly string[],
    defaultCheck: DefaultCheck | undefined,
    context: CompileContext,
    say: (text: string) => void,
  ) {
    this.#name = name;
    this.#items = items;
    this.#defaultCheck = defaultCheck;
    this.#context = context;
    this.#say = say;
  }

  steps(): Step[] {
    const steps: Step[] = [];
    let warn = false;
    for (let at = 0; at < this.#items.length; at++) {
      if (this.#items[at]!.toLowerCase() === "warn_if_reject") {
        warn = true;
        continue;
      }
      const { step, used, final } = this.#step(at);
      steps.push({ ...step, warn });
      at += used;
      if (final && !warn && at + 1 < this.#items.length) {
        this.#say(`restriction \`${this.#items[at + 1]}' after \`${step.name}' is ignored`);
      }
      warn = false;
    }
    return steps;
  }

  /** The step that begins at an item, and how many more items it takes. */
  #step(at: number): { step: Omit<Step, "warn">; used: number; final: boolean } {
    const item = this.#items[at]!;
    if (item.includes(":")) return { step: this.#bareTable(item), used: 0, final: false };
    const row = restrictionRow(item);
    if (row === undefined) return { step: this.#classOrUnknown(item), used: 0, final: false };
    if (row.obsolete !== undefined) {
      this.#say(`support for restriction "${item}" will be removed; use "${row.obsolete}" instead`);
    }
    if (row.argument === undefined) {
      const own = { name: item, argument: "", defaultCheck: this.#defaultCheck };
      return { step: this.#built(item, row, own), used: 0, final: row.final === true };
    }
    return this.#withArgument(item, row, row.argument, this.#items[at + 1]);
  }

  #withArgument(
    item: string,
    row: RestrictionRow,
    kind: NonNullable<RestrictionRow["argument"]>,
    argument: string | undefined,
  ) {
    const flaw = argumentFlaw(item, kind, argument);
    if (flaw === undefined && argument !== undefined) {
      const wrong = kind === "domain" ? filterFlaw(argument) : undefined;
      if (wrong !== undefined) this.#say(`restriction ${item} ${argument}: ${wrong}`);
      const own = { name: item, argument, defaultCheck: this.#defaultCheck };
      return { step: this.#built(`${item} ${argument}`, row, own), used: 1, final: false };
    }
    const text = flaw ?? "";
    this.#say(text);
    const verdict: Verdict = kind === "domain" ? warned(text) : serverError(text);
    const relayEffect = kind === "domain" ? NEVER : CLOSES;
    return { step: { name: item, evaluate: () => verdict, relayEffect }, used: 0, final: false };
  }

  #built(name: string, row: RestrictionRow, own: Item): Omit<Step, "warn"> {
    const { restrictionDeps } = this.#context;
    const flaw = row.ofContent === true ? contentFlaw(this.#name, restrictionDeps) : undefined;
    if (flaw !== undefined) {
      const text = `restriction ${own.name} ${flaw}`;
      this.#say(text);
      return { name, evaluate: () => serverError(text), relayEffect: CLOSES };
    }
    const relayEffect = typeof row.relayEffect === "function"
      ? row.relayEffect(own, restrictionDeps)
      : row.relayEffect;
    return { name, evaluate: row.build(restrictionDeps, own), relayEffect };
  }

  /** `type:table` alone stands for the check that its list is about (access(5)). */
  #bareTable(item: string): Omit<Step, "warn"> {
    const check = this.#defaultCheck;
    const row = check === undefined ? undefined : restrictionRow(check);
    if (check === undefined || row === undefined) {
      const text = (list: string) =>
        "specify one of (check_client_access, check_reverse_client_hostname_access, check_helo_access, " +
        `check_sender_access, check_recipient_access, check_etrn_access) before ${list} restriction "${item}"`;
      this.#say(text(this.#name));
      return { name: item, evaluate: ({ about }) => serverError(text(about.class)), relayEffect: CLOSES };
    }
    const own = { name: check, argument: item, defaultCheck: check };
    return this.#built(`${check} ${item}`, row, own);
  }

  #classOrUnknown(item: string): Omit<Step, "warn"> {
    const list = this.#context.classNamed(item, this.#defaultCheck);
    if (list !== undefined) {
      const relayEffect: RelayEffect = { is: "list", list };
      return { name: item, evaluate: ({ about }) => ({ is: "apply", list: list(), about }), relayEffect };
    }
    const text = `unknown smtpd restriction: "${item}"`;
    const meant = suggestion(item);
    this.#say(meant === undefined ? text : `${text}; did you mean ${meant}?`);
    return { name: item, evaluate: unknownRestriction(text), relayEffect: CLOSES };
  }
}

function unknownRestriction(text: string): Restriction {
  const verdict = serverError(text);
  return () => verdict;
}

/** What is wrong with an argument, in Postfix's words. */
function argumentFlaw(
  name: string,
  kind: NonNullable<RestrictionRow["argument"]>,
  argument: string | undefined,
): string | undefined {
  switch (kind) {
    case "table":
      if (argument?.includes(":") === true) return undefined;
      return `restriction ${name}: bad argument "${argument ?? name}": need maptype:mapname`;
    case "domain":
      return argument === undefined ? `restriction ${name} requires domain name argument` : undefined;
    case "server":
      if (argument?.includes(":") === true) return undefined;
      return `restriction ${name} must be followed by transport:server`;
    case "seconds":
      return argument !== undefined && /^\d+$/.test(argument)
        ? undefined
        : `restriction ${name} must be followed by number`;
  }
}

/** A known name that differs by two letters at most. */
function suggestion(name: string): string | undefined {
  const folded = name.toLowerCase();
  return restrictionNames().find((known) => editDistance(known, folded, 2) <= 2);
}
