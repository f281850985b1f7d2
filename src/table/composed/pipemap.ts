import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { OpenTable, TableContext } from "../context.ts";
import { ownerOfAll } from "../table_owner.ts";
import { openMembers } from "./members.ts";
import type { Answer, Table } from "../table.ts";
import { unavailable } from "../unavailable.ts";

/** `pipemap:{type:name, type:name}`: each table is asked for the result of the one before (DATABASE_README). */
export function openPipemap(name: string, spec: string, context: TableContext, open: OpenTable): Table {
  const members = openMembers("pipemap", name, spec, context, open);
  if (typeof members === "string") return unavailable(spec, members, false);
  return {
    spec,
    pattern: false,
    lookup: (key) => through(members, 0, key),
    owner: () => ownerOfAll(members),
    close: () => members.forEach((table) => table.close()),
  };
}

function through(members: readonly Table[], at: number, key: string): MaybeAsync<Answer> {
  const answer = members[at]!.lookup(key);
  const next = (now: Answer): MaybeAsync<Answer> =>
    now.is === "found" && at + 1 < members.length ? through(members, at + 1, now.value) : now;
  return isPromise(answer) ? answer.then(next) : next(answer);
}
