import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { OpenTable, TableContext } from "../context.ts";
import { ownerOfAll } from "../table_owner.ts";
import { openMembers } from "./members.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { unavailable } from "../unavailable.ts";

/** `unionmap:{type:name, type:name}`: the results of all tables that have the key, joined by commas (DATABASE_README). */
export function openUnionmap(name: string, spec: string, context: TableContext, open: OpenTable): Table {
  const members = openMembers("unionmap", name, spec, context, open);
  if (typeof members === "string") return unavailable(spec, members, false);
  return {
    spec,
    pattern: false,
    lookup: (key) => {
      const answers = members.map((table) => table.lookup(key));
      return answers.some(isPromise) ? Promise.all(answers).then(union) : union(answers.filter(isSettled));
    },
    owner: () => ownerOfAll(members),
    close: () => members.forEach((table) => table.close()),
  };
}

const isSettled = (answer: MaybeAsync<Answer>): answer is Answer => !isPromise(answer);

/** Trouble in one makes the whole unknown. */
function union(answers: readonly Answer[]): Answer {
  const trouble = answers.find((answer) => answer.is === "trouble");
  if (trouble !== undefined) return trouble;
  const values = answers.flatMap((answer) => answer.is === "found" ? [answer.value] : []);
  return values.length === 0 ? ABSENT : { is: "found", value: values.join(",") };
}
