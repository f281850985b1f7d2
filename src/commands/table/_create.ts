import { letGoOfProgramPages } from "../../platform/process/idle_memory.ts";
import { asOwner, isRoot } from "../../platform/process/effective_ids.ts";
import { lockedForUpdate } from "../../platform/file/lock/file_lock.ts";
import { type FileReplacement, replaceFile } from "../../platform/file/file_replacement.ts";
import { blockSizeAt, isNotThere, randomBytes } from "../../platform/file/random_access_file.ts";
import { openScratchSpace, type ScratchSpace } from "../../platform/file/scratch_space.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import {
  exists,
  type FileOwner,
  openSourceFile,
  removeIfEmpty,
  sourceOwner,
} from "../../platform/file/source_file.ts";
import { readStandardInput, standardInputFile } from "../../platform/process/standard_input.ts";
import { writeOut } from "../../platform/process/this_process.ts";
import { hostName } from "../../platform/host.ts";
import { type IndexFormat, whyNotOpened } from "../../table/index/index_formats.ts";
import { type OnDuplicate, RecordSet } from "../../table/index/records/record_set.ts";
import { TableFault } from "../../table/index/record_file.ts";
import { tableType } from "../../table/table_types.ts";
import { sourcePieces } from "../../table/text/source_pieces.ts";
import { pageSizeFor, takeIndex, writeIndex } from "../../table/index/table_build.ts";
import { takeSource } from "../../table/index/table_source.ts";
import { jsonLine } from "./_json.ts";
import { ToolFault } from "./_options.ts";
import type { Progress } from "./_progress.ts";
import { splitSpec, type ToolRun } from "./_run.ts";
import { fileValues } from "./_values.ts";

/** Makes each table from its source (or adds standard input to it, -i), one after the other. */
export function createTables(run: ToolRun): number {
  for (const argument of run.options.tables) createTable(run, argument);
  return 0;
}

interface Source {
  readonly name: string;
  readonly owner: FileOwner;
  readonly size?: number | undefined;
  readonly read: (into: Uint8Array) => number;
  readonly close: () => void;
}

function openSourceOf(run: ToolRun, name: string): Source {
  if (run.options.incremental) {
    const owner = standardInputFile() ?? { uid: 0, gid: 0, mode: 0o644 };
    return { name: "stdin", owner, read: readStandardInput, close: () => {} };
  }
  const attempt = <T>(what: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new ToolFault(`${what} ${name}: ${systemErrorText(error)}`);
    }
  };
  return attempt("open", () => {
    const owner = sourceOwner(name);
    const { read, size, close } = openSourceFile(name);
    return { name, owner, size, read: (into) => attempt("read", () => read(into)), close };
  });
}

/** The format to build, or Postfix's refusal. */
function formatToBuild(type: string): IndexFormat {
  const row = tableType(type);
  if (row?.index !== undefined) return row.index;
  if (row !== undefined) {
    throw new ToolFault(`unsupported dictionary type: ${type} does not support bulk-mode creation.`);
  }
  throw new ToolFault(`unsupported dictionary type: ${type}. Is the postfix-${type} package installed?`);
}

function createTable(run: ToolRun, argument: string): void {
  const { type, name } = splitSpec(run, argument);
  if (type === "proxy") throw new ToolFault("can't create maps via the proxy service");
  run.progress.begin(name);
  const source = openSourceOf(run, name);
  const format = formatToBuild(type);
  const { uid, gid } = source.owner;
  const build = () => buildIndex(run, format, name, source);
  const count = run.options.keepOwner && isRoot() && !run.options.incremental
    ? asOwner(uid, gid, build)
    : build();
  source.close();
  run.progress.clear();
  if (run.options.json) {
    writeOut(jsonLine({ table: `${type}:${name}`, file: name + format.suffix, records: count }));
  }
}

function buildIndex(run: ToolRun, format: IndexFormat, name: string, source: Source): number {
  const path = name + format.suffix;
  if (format.rewrittenInPlace && removeIfEmpty(path)) run.warn(`removing zero-length database file: ${path}`);
  const records = new RecordSet({ scratch: () => spaceBeside(path) });
  if (!run.options.incremental) return fill(run, format, name, path, source, records);
  if (format.constant) throw new ToolFault(CDB_FLAGS);
  return lockedForUpdate(path, (exists) => {
    if (exists) takeExisting(format, path, records);
    return fill(run, format, name, path, source, records);
  });
}

/** Space for records that memory is too small for: the table is a large one, and what the start has touched of the program can go. */
export function spaceBeside(path: string): ScratchSpace {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new ToolFault(`write a temporary file for ${path}: ${systemErrorText(error)}`);
    }
  };
  letGoOfProgramPages();
  const space = attempt(() => openScratchSpace(path));
  return {
    ...space,
    write: (bytes, position) => attempt(() => space.write(bytes, position)),
    read: (into, position, length) => attempt(() => space.read(into, position, length)),
  };
}

/** What a cdb table that is to be changed in place is refused with, as it can only be made anew (CDB_README). */
export const CDB_FLAGS = "dict_cdb_open: inappropriate open flags for cdb database - " +
  "specify O_RDONLY or O_WRONLY|O_CREAT|O_TRUNC";

/** Adds the records of a table that is to be changed. */
export function takeExisting(format: IndexFormat, path: string, records: RecordSet): void {
  try {
    takeIndex(format, path, records);
  } catch (error) {
    if (error instanceof ToolFault) throw error;
    throw new ToolFault(whyNotOpened(format, path, error));
  }
}

function fill(
  run: ToolRun,
  format: IndexFormat,
  name: string,
  path: string,
  source: Source,
  records: RecordSet,
): number {
  const { options, style } = run;
  const terminate = options.nul === "with" || (options.nul === "both" && format.terminates);
  const onDuplicate = duplicatePolicy(run, format);
  const take = () =>
    takeSource(sourcePieces(source.read), records, {
      format: style.format,
      fold: options.fold,
      encoding: run.encoding,
      terminate,
      onDuplicate,
      name: source.name,
      ...(source.size !== undefined && { size: source.size }),
      warn: run.warn,
      duplicate: options.onDuplicate === "warn"
        ? (key) => run.warn(`${format.title(name)}: duplicate entry: "${key}"`)
        : () => {},
      ...(options.valuesAreFiles && { storedValue: fileValues(run, source.name) }),
      progress: (count) => run.progress.records(count),
    });
  updating(format, path, take);
  if (style.format === "alias") addYellowPages(run, records, terminate);
  run.progress.records(records.count);
  writeRecords(run, format, path, records, source.owner);
  return records.count;
}

function duplicatePolicy(run: ToolRun, format: IndexFormat): OnDuplicate {
  const { onDuplicate } = run.options;
  if (onDuplicate === "replace") return "replace";
  return onDuplicate === "ignore" && format.constant ? "both" : "keep";
}

/** The same file, whose growth is told. */
function watched(file: FileReplacement, progress: Progress): FileReplacement {
  let written = 0;
  return {
    ...file,
    write: (bytes, position) => {
      file.write(bytes, position);
      progress.written(written += bytes.length);
    },
  };
}

/** What NIS wants of an alias table: `@`, when it was made, and where; the last two as plain text (postalias(1)). */
function addYellowPages(run: ToolRun, records: RecordSet, terminate: boolean): void {
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
  records.add(Buffer.from("@"), Buffer.from("@"), terminate, "replace");
  records.add(Buffer.from("YP_LAST_MODIFIED"), Buffer.from(seconds), false, "replace");
  const host = run.parameter("myhostname") ?? hostName();
  records.add(Buffer.from("YP_MASTER_NAME"), Buffer.from(host), false, "replace");
}

/** What cannot be in a table is the tool's to tell, be it found while records are taken or written. */
export function updating<T>(format: IndexFormat, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TableFault)) throw error;
    const title = format.title(path.slice(0, -format.suffix.length));
    throw new ToolFault(`error updating ${title}: ${error.message}`);
  }
}

/** Writes the index with the mode that postmap(1) gives it: 0644 less what the source denies to group and others. */
export function writeRecords(
  run: ToolRun,
  format: IndexFormat,
  path: string,
  records: RecordSet,
  owner: FileOwner,
): void {
  const mode = run.options.keepMode ? 0o600 | (0o044 & owner.mode) : 0o644;
  const mapSize = Number(run.parameter("lmdb_map_size")) || 16777216;
  if (records.isLarge) letGoOfProgramPages();
  try {
    updating(format, path, () =>
      writeIndex(format, path, records, {
        uniqueId: () => randomBytes(20),
        pageSize: pageSizeFor(blockSizeAt(path)),
        mapSize,
        replace: (target) =>
          watched(replaceFile(target, { mode, keepExisting: format.keepsFile }), run.progress),
      }));
  } catch (error) {
    if (isNotThere(error) || (error as NodeJS.ErrnoException).code !== undefined) {
      throw new ToolFault(openFailure(format, path, error));
    }
    throw error;
  }
}

/** A constant table is made under another name, in Postfix too. */
function openFailure(format: IndexFormat, path: string, error: unknown): string {
  if (format.constant) return format.openProblem(`${path}.tmp`, systemErrorText(error));
  return exists(path) && format.rewrittenInPlace
    ? `open ${path}: ${systemErrorText(error)}`
    : format.openProblem(path, systemErrorText(error));
}
