import { shownSpec } from "../../table/shown_spec.ts";
import type { Answer, Table } from "../../table/table.ts";
import { actionVerdict } from "./access_action.ts";
import type { DefaultCheck, NoRelaying, Query, Subject, Verdict } from "../restriction.ts";
import { DUNNO, reject, rejectedText, serverError, withWarnings } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** An access table lookup: what was asked, and for whom. */
export interface AccessQuestion {
  readonly table: Table;
  readonly datum: string;
  readonly about: Subject;
  readonly query: Query;
  readonly defaultCheck: DefaultCheck | undefined;
}

/** What a table's answer means; a table that cannot be asked refuses for now, as access(5) tables do in Postfix. */
export function lookupVerdict(deps: RestrictionDeps, question: AccessQuestion, answer: Answer): Verdict {
  const { table, datum, about, query, defaultCheck } = question;
  if (answer.is === "absent") return DUNNO;
  if (answer.is === "trouble") {
    const refused = reject(451, "4.3.5", rejectedText(about, "Server configuration error"));
    return { ...refused, warnings: [`${shownSpec(table.spec)} lookup error for "${datum}": ${answer.why}`] };
  }
  const found = { table: table.spec, value: answer.value, datum, about, query };
  return actionVerdict(found, deps.actions, defaultCheck);
}

/**
 * Takes a permit away from a check of what a client can forge: a configuration error, not a way in (smtpd(8)). What is discarded
 * may pass.
 */
export function withoutPermit(verdict: Verdict, restriction: string, target: string): Verdict {
  const error = () =>
    serverError(
      `restriction ${restriction} returns OK for ${target}`,
      "this is not allowed for security reasons",
      "use DUNNO instead of OK if you want to make an exception",
    );
  if (verdict.is === "permit") return { ...error(), denied: verdict };
  if (verdict.is === "act" && verdict.permit !== undefined && verdict.effect?.is !== "discard") {
    return withWarnings({ ...error(), denied: verdict.permit }, verdict.warnings ?? []);
  }
  return verdict.is === "apply" ? { ...verdict, onPermit: error() } : verdict;
}

/** Lets a permit count as nothing: a recipient that is routed on through us or others is too suspicious. */
export function ignoringPermit(verdict: Verdict): Verdict {
  return weakened(verdict, { counts: false }, "ignore");
}

/** Marks a permit that lets nobody relay who could not without it; `rule` is what has it so. */
export function withoutRelaying(verdict: Verdict, rule: string): Verdict {
  return weakened(verdict, { noRelaying: rule }, { is: "no relaying", rule });
}

type Permit = Extract<Verdict, { readonly is: "permit" }>;

/** A permit worth less, wherever a verdict has one: its own, that of an action, or that of restrictions which it names. */
function weakened(
  verdict: Verdict,
  less: Pick<Permit, "counts" | "noRelaying">,
  onPermit: "ignore" | NoRelaying,
): Verdict {
  if (verdict.is === "permit") return { ...verdict, ...less };
  if (verdict.is === "apply") return { ...verdict, onPermit };
  if (verdict.is !== "act" || verdict.permit === undefined) return verdict;
  return { ...verdict, permit: { ...verdict.permit, ...less } };
}
