import { type IndexFormat, whyNotOpened } from "../../table/index/index_formats.ts";
import type { StoredRecord } from "../../table/index/record_file.ts";
import { openTable, tableType } from "../../table/table_types.ts";
import { Output } from "../output.ts";
import { jsonBytes, jsonLine } from "./_json.ts";
import { ToolFault } from "./_options.ts";
import { openProblem } from "./_open_problem.ts";
import { splitNamedSpec, type ToolRun } from "./_run.ts";
import { decodeValue } from "./_values.ts";

/** Lists key and value of the first table, in the file's order; without one there is nothing to say (postmap(1)). */
export function listTable(run: ToolRun): number {
  const [first] = run.options.tables;
  return first === undefined ? 1 : listNamed(run, first);
}

function listNamed(run: ToolRun, argument: string): number {
  const { type, name } = splitNamedSpec(run, argument);
  const row = tableType(type);
  if (row?.index !== undefined && !row.index.constant) {
    listIndex(run, row.index, name);
    return 0;
  }
  if (row === undefined) throw new ToolFault(`unsupported dictionary type: ${type}`);
  if (type === "proxy") throw new ToolFault("can't sequence maps via the proxy service");
  if (row.removes === true) return listBackup(run, `${type}:${name}`);
  listEntries(run, `${type}:${name}`);
  return 0;
}

function listIndex(run: ToolRun, format: IndexFormat, name: string): void {
  const path = name + format.suffix;
  const output = new Output();
  const spec = `${format.type}:${name}`;
  const names = [spec, format.calledByName ? spec : `${format.type}:${path}`] as const;
  openTable(spec, run.context).close(); // warns of an index older than its source
  try {
    const file = format.open(path);
    for (const record of file.records()) print(run, output, names, record);
    file.close();
  } catch (error) {
    output.flush();
    if (error instanceof ToolFault) throw error;
    throw new ToolFault(
      whyNotOpened(format, path, error),
    );
  }
  output.flush();
}

function untilNul(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nul = text.indexOf(0);
  return nul < 0 ? text : text.subarray(0, nul);
}

/** `file` is what Postfix calls the opened table where a value cannot be decoded. */
function print(
  run: ToolRun,
  output: Output,
  [spec, file]: readonly [string, string],
  record: StoredRecord,
): void {
  const [key, value] = [untilNul(record.key), untilNul(record.value)];
  if (key.length === 0) run.warn(`table ${spec}: empty lookup key value is not allowed`);
  else if (value.length === 0) {
    run.warn(`table ${spec}: key ${key.toString()}: empty string result is not allowed`);
    run.warn(`table ${spec} should return NO RESULT in case of NOT FOUND`);
  }
  const shown = run.options.valuesAreFiles ? decodeValue(run, file, key.toString(), value.toString()) : value;
  if (shown !== undefined) printPair(run, output, key, shown);
}

/** What is in a cache nobody can tell; what it is a cache of can be listed. */
function listBackup(run: ToolRun, spec: string): number {
  const { backup, close } = openTable(spec, run.context);
  close();
  if (backup !== undefined) return listNamed(run, backup);
  run.warn(`database ${spec}: first/next support requires backup database`);
  return 0;
}

function printPair({ options, style }: ToolRun, output: Output, key: Buffer, value: Buffer): void {
  if (options.json) output.write(jsonLine({ ...jsonBytes("key", key), ...jsonBytes("value", value) }));
  else output.write(Buffer.from(key), style.separator, Buffer.from(value), "\n");
}

/** Tables in memory that know their keys: inline, texthash, environ. */
function listEntries(run: ToolRun, spec: string): void {
  const table = openTable(spec, run.context);
  const entries = table.entries?.();
  if (entries === undefined) {
    const problem = tableType(table.spec.slice(0, table.spec.indexOf(":")))?.local === true
      ? openProblem(table)
      : undefined;
    if (problem !== undefined) throw new ToolFault(problem);
    const title = spec.startsWith("cdb:") ? `${spec}.cdb` : spec;
    throw new ToolFault(`table ${title}: sequence operation is not supported`);
  }
  const output = new Output();
  for (const [key, value] of entries) {
    printPair(run, output, Buffer.from(key, run.encoding), Buffer.from(value, run.encoding));
  }
  output.flush();
}
