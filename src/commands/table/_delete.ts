import { lockedForUpdate } from "../../platform/file/lock/file_lock.ts";
import { writeOut } from "../../platform/process/this_process.ts";
import { exists, sourceOwner } from "../../platform/file/source_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { standardInputLines } from "../../platform/process/standard_input.ts";
import { foldingOf } from "../../table/text/fold.ts";
import type { IndexFormat } from "../../table/index/index_formats.ts";
import { RecordSet } from "../../table/index/records/record_set.ts";
import { openTable, tableType } from "../../table/table_types.ts";
import type { Table } from "../../table/table.ts";
import { CDB_FLAGS, spaceBeside, takeExisting, writeRecords } from "./_create.ts";
import { jsonLine } from "./_json.ts";
import { ToolFault } from "./_options.ts";
import { splitNamedSpec, type ToolRun } from "./_run.ts";

/** Deletes the key, or each line of standard input, from every table named; 0 when anything was deleted. */
export async function deleteKeys(run: ToolRun): Promise<number> {
  const { options } = run;
  const isList = options.key!.length === 1 && options.key![0] === 0x2d;
  const keys = isList
    ? [...standardInputLines()].map((line) => Buffer.from(line))
    : [Buffer.from(options.key!)];
  let deleted = 0;
  for (const argument of options.tables) {
    const { type, name } = splitNamedSpec(run, argument);
    const count = tableType(type)?.removes === true
      ? await deleteOnServer(run, `${type}:${name}`, keys)
      : deleteFrom(run, argument, keys);
    if (options.json) writeOut(jsonLine({ table: `${type}:${name}`, deleted: count }));
    deleted += count;
  }
  return deleted > 0 ? 0 : 1;
}

/** Deletes from a cache, and from what it is a cache of, where the number is told. */
async function deleteOnServer(run: ToolRun, spec: string, keys: readonly Buffer[]): Promise<number> {
  const table = openTable(spec, run.context);
  let deleted = 0;
  try {
    for (const key of keys) {
      if (await removed(run, table, key)) deleted++;
    }
  } finally {
    table.close();
  }
  return table.backup === undefined ? deleted : deleteFrom(run, table.backup, keys);
}

async function removed(run: ToolRun, table: Table, key: Buffer): Promise<boolean> {
  if (table.remove === undefined) throw new ToolFault(await openProblem(table));
  try {
    return await table.remove(key.toString(run.encoding));
  } catch (error) {
    throw new ToolFault(`table ${table.spec}: delete error: ${systemErrorText(error)}`);
  }
}

/** A table that could not be opened says at every lookup why. */
async function openProblem(table: Table): Promise<string> {
  const answer = await table.lookup("");
  if (answer.is !== "trouble") return `open ${table.spec}`;
  return answer.part?.of === "opening" ? answer.part.reason : answer.why;
}

function formatToChange(
  run: ToolRun,
  argument: string,
): { readonly format: IndexFormat; readonly name: string } {
  const { type, name } = splitNamedSpec(run, argument);
  const row = tableType(type);
  if (row === undefined) throw new ToolFault(`unsupported dictionary type: ${type}`);
  if (row.index?.constant === true) throw new ToolFault(CDB_FLAGS);
  if (row.index !== undefined) return { format: row.index, name };
  if (row.writable === true) throw new ToolFault(`table ${type}:${name}: delete operation is not supported`);
  throw new ToolFault(`${type}:${name} map requires O_RDONLY access mode`);
}

function deleteFrom(run: ToolRun, argument: string, keys: readonly Buffer[]): number {
  const { format, name } = formatToChange(run, argument);
  const path = name + format.suffix;
  // Warns of an index older than its source; before the lock, as it takes one itself.
  if (exists(path)) openTable(`${format.type}:${name}`, run.context).close();
  return lockedForUpdate(path, (isThere) => {
    if (!isThere) return deleteFromNothing(run, format, path);
    const records = new RecordSet({ scratch: () => spaceBeside(path) });
    takeExisting(format, path, records);
    const deleted = removeAll(run, records, keys);
    if (deleted > 0) writeRecords(run, format, path, records, sourceOwner(path));
    return deleted;
  });
}

/** Some types make the table when they open it for a change; the others refuse. */
function deleteFromNothing(run: ToolRun, format: IndexFormat, path: string): number {
  if (!format.madeByChange) throw new ToolFault(format.openProblem(path, "No such file or directory"));
  writeRecords(run, format, path, new RecordSet(), { uid: 0, gid: 0, mode: 0o644 });
  return 0;
}

/** The form of the first key that is there, with NUL or without, is the only one tried from then on. */
function removeAll(run: ToolRun, records: RecordSet, keys: readonly Buffer[]): number {
  const { options, encoding } = run;
  const fold = foldingOf({ fold: options.fold, encoding });
  let [withNul, without] = [options.nul !== "without", options.nul !== "with"];
  let deleted = 0;
  for (const key of keys) {
    const folded = Buffer.from(fold(key.toString(encoding)), encoding);
    if (withNul && records.remove(Buffer.concat([folded, Buffer.from([0])]))) {
      without = false;
      deleted++;
    } else if (without && records.remove(folded)) {
      withNul = false;
      deleted++;
    }
  }
  return deleted;
}
