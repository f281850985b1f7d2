import { systemErrorText } from "../../platform/system_error.ts";
import { readOwnedTableFile } from "./table_file.ts";
import { resolvePath, type TableContext } from "../context.ts";
import { fileBacked } from "./file_backed.ts";
import { foldingOf } from "./fold.ts";
import { possibleIn, readSource, type SourceRecord } from "./source_records.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { unavailableNow } from "../unavailable.ts";

type Content = { readonly records: Map<string, SourceRecord>; readonly owner: number | undefined } | {
  readonly trouble: Answer;
};

const trouble = (spec: string, why: string): Content => ({ trouble: unavailableNow(spec, why) });

/** Reads the file whole; a key that stands twice disables the table, as it does in Postfix's daemons. */
function load(path: string, spec: string, context: TableContext): Content {
  let twice: string | undefined;
  const { bytes, owner } = readOwnedTableFile(path, context);
  const records = readSource(bytes, path, {
    format: "map",
    fold: context.fold !== false,
    encoding: context.encoding ?? "utf8",
    warn: context.warn,
    isTable: true,
    duplicate: (_key, line, written) => {
      const text = `${path}, line ${line}: duplicate entry: "${written}"`;
      if (context.asPostmap === true) context.warn(text);
      else twice ??= text;
    },
  });
  return twice === undefined ? { records, owner } : trouble(spec, twice);
}

/** `texthash:file`: the text source itself, read into memory and again when it changes (DATABASE_README). */
export function openTexthash(name: string, spec: string, context: TableContext): Table {
  const path = resolvePath(name, context);
  const content = fileBacked({
    path,
    clock: context.clock,
    load: () => load(path, spec, context),
    failed: (error) => trouble(spec, `open database ${path}: ${systemErrorText(error)}`),
  });
  const fold = foldingOf(context);
  content.current(); // the operator hears of bad lines at the start
  return {
    spec,
    pattern: false,
    lookup: (key) => {
      const now = content.current();
      if ("trouble" in now) return now.trouble;
      const record = now.records.get(fold(key));
      return record === undefined ? ABSENT : { is: "found", value: record.value, line: record.line };
    },
    entries: () => {
      const now = content.current();
      return "records" in now ? [...now.records].map(([key, { value }]) => [key, value] as const) : undefined;
    },
    possible: () => {
      const now = content.current();
      return "records" in now ? possibleIn(now.records) : undefined;
    },
    owner: () => {
      const now = content.current();
      return "owner" in now ? now.owner : undefined;
    },
    close: () => {},
  };
}
