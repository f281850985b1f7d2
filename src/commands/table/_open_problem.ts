import { isPromise } from "../../base/maybe_async.ts";
import type { Answer, Table } from "../../table/table.ts";

const reasonOf = (answer: Answer) =>
  answer.is === "trouble" && answer.part?.of === "opening" ? answer.part.reason : undefined;

/** Why a table could not be opened: it says so at every lookup. Undefined when it was, or nobody can tell at once. */
export function openProblem(table: Table): string | undefined {
  const answer = table.lookup("");
  return isPromise(answer) ? undefined : reasonOf(answer);
}
