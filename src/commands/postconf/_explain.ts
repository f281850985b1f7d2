import { absenceOf } from "../../config/check/check_honoured.ts";
import type { Absence } from "../../config/parameters/absence.ts";
import { nearest } from "../../base/nearest.ts";
import { rowOf, ROWS } from "../../config/scope.ts";
import type { PostconfOptions } from "./_options.ts";
import type { Output } from "./_show.ts";
import type { ParameterTable } from "./_table.ts";

/** All there is to say about a parameter. */
interface Explanation {
  readonly name: string;
  readonly value: string;
  readonly expanded: string;
  readonly isSet: boolean;
  readonly fallback: string;
  readonly type: string;
  readonly range?: string;
  readonly since: string;
  readonly programs: string;
  readonly area: string;
  readonly honoured: boolean;
  /** What it means that it is not. */
  readonly absence?: Absence;
  readonly note?: string;
  readonly instead?: string;
}

function describe(
  name: string,
  main: ReadonlyMap<string, string>,
  table: ParameterTable,
): Explanation | undefined {
  const row = rowOf(name);
  if (row === undefined) return undefined;
  const value = table.lookup(name, undefined) ?? "";
  const absence = absenceOf(name);
  return {
    name,
    value,
    expanded: table.expand(value),
    isSet: main.has(name),
    fallback: row.fallback,
    type: row.type,
    ...(row.range !== undefined && { range: row.range }),
    since: row.since === "mta" ? "mta (not in Postfix)" : `Postfix ${row.since}`,
    programs: row.daemons,
    area: row.area,
    honoured: absence === undefined,
    ...(absence !== undefined && { absence }),
    ...(row.note !== undefined && { note: row.note }),
    ...(row.instead !== undefined && { instead: row.instead }),
  };
}

function lines(each: Explanation): string {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["set", each.isSet ? "in main.cf" : "no, this is the default"],
    ["expands to", each.expanded === each.value ? undefined : each.expanded],
    ["default", each.fallback],
    ["type", each.type],
    ["range", each.range],
    ["since", each.since],
    ["read by", each.programs],
    ["area", each.area],
    ["honoured", each.absence === undefined ? "yes" : `no (${each.absence.means}): ${each.absence.why}`],
    ["use instead", each.instead],
    ["note", each.note],
  ];
  const shown = rows.filter(([, text]) => text !== undefined && text !== "");
  return `${each.name} = ${each.value}\n` +
    shown.map(([label, text]) => `    ${label.padEnd(12)}${text}\n`).join("");
}

/** `--explain` and `--json`, ours: rows of the table of parameters with their values. */
export function explain(
  options: PostconfOptions,
  main: ReadonlyMap<string, string>,
  table: ParameterTable,
  output: Output,
): void {
  const names = options.names.length > 0
    ? options.names
    : table.names(options.classes).filter((name) => !options.given.has("n") || main.has(name));
  const found = names.flatMap((name) => {
    const each = describe(name, main, table);
    if (each !== undefined) return [each];
    const meant = nearest(name, ROWS.keys());
    output.warn(`${name}: unknown parameter${meant === undefined ? "" : `; did you mean ${meant}?`}`);
    return [];
  });
  if (options.json) output.write(`${JSON.stringify(found, undefined, 2)}\n`);
  else for (const each of found) output.write(lines(each));
}
