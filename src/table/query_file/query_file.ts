import { trimAscii } from "../../config/syntax/logical_lines.ts";
import { parseMainCf } from "../../config/syntax/main_cf.ts";
import { nearest } from "../../base/nearest.ts";
import { splitList } from "../../config/syntax/list.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { resolvePath, type TableContext } from "../context.ts";
import { readTableFile } from "../text/table_file.ts";
import type { Table } from "../table.ts";
import { unavailable } from "../unavailable.ts";

/** The attributes of a remote table: a file in main.cf syntax, or `<name>_<attribute>` in main.cf (pgsql_table(5)). */
export interface QueryFile {
  /** As messages call it: the file, or the name whose attributes stand in main.cf. */
  readonly name: string;
  /** Undefined when it is not set at all, or set to nothing. */
  text(attribute: string): string | undefined;
  /** Whether it is set, be it to nothing. */
  isSet(attribute: string): boolean;
  /** Refuses what is no whole number within the bounds. */
  integer(attribute: string, fallback: number, min?: number, max?: number): number;
  /** `yes` or `no`, in any case. */
  flag(attribute: string, fallback: boolean): boolean;
  /** Items separated by commas and blanks; `{ ... }` keeps separators inside. */
  list(attribute: string): string[];
  /** Where an attribute stands, for messages: `/etc/postfix/x.cf, line 3`, or `main.cf: x_query`. */
  where(attribute: string): string;
  /** Refuses the table, naming file and line of the attribute. */
  refuse(attribute: string, why: string): never;
}

/** A query file that cannot be used; the message names file and line, and never a password. */
export class QueryFileFault extends Error {
  override readonly name = "QueryFileFault";
}

interface Source {
  readonly get: (attribute: string) => string | undefined;
  readonly where: (attribute: string) => string;
}

/** A name that starts with `/` or `.` is a file; any other one is a prefix of parameters in main.cf (cfg_parser). */
function isQueryFileName(name: string): boolean {
  return name.startsWith("/") || name.startsWith(".");
}

/**
 * Reads the attributes of a table. `attributes` are those the type knows: others in the file earn a warning, as they would
 * be ignored. Throws a `QueryFileFault` when there is nothing to read.
 */
export function readQueryFile(name: string, attributes: readonly string[], context: TableContext): QueryFile {
  const source = isQueryFileName(name) ? fileSource(name, attributes, context) : mainSource(name, context);
  return typed(name, source);
}

/** Opens a table by its query file; what is wrong with the file makes a table that answers trouble, and a warning. */
export function withQueryFile(
  name: string,
  spec: string,
  options: { readonly context: TableContext; readonly attributes: readonly string[] },
  build: (file: QueryFile) => Table,
): Table {
  try {
    return build(readQueryFile(name, options.attributes, options.context));
  } catch (error) {
    if (!(error instanceof QueryFileFault)) throw error;
    if (options.context.asPostmap !== true) options.context.warn(`${spec}: ${error.message}`);
    return unavailable(spec, error.message, false);
  }
}

function fileSource(path: string, attributes: readonly string[], context: TableContext): Source {
  const { entries, diagnostics } = parseMainCf(textOf(path, context), path);
  for (const { level, text } of diagnostics) {
    if (level !== "fatal") context.warn(withoutSecret(text));
  }
  const fatal = diagnostics.find(({ level }) => level === "fatal");
  if (fatal !== undefined) throw new QueryFileFault(withoutLine(fatal.text));
  const known = new Set(attributes);
  for (const entry of entries.values()) {
    if (!known.has(entry.name)) {
      context.warn(
        `${path}, line ${entry.line}: unknown attribute "${entry.name}" is ignored${
          hint(entry.name, attributes)
        }`,
      );
    }
  }
  return {
    get: (attribute) => entries.get(attribute)?.value,
    where: (attribute) => {
      const line = entries.get(attribute)?.line;
      return line === undefined ? path : `${path}, line ${line}`;
    },
  };
}

function textOf(path: string, context: TableContext): string {
  try {
    return readTableFile(resolvePath(path, context), context).toString("utf8");
  } catch (error) {
    throw new QueryFileFault(`open ${path}: ${systemErrorText(error)}`);
  }
}

function hint(name: string, attributes: readonly string[]): string {
  const meant = nearest(name, attributes);
  return meant === undefined ? "" : `; did you mean "${meant}"?`;
}

/** The value of an overridden entry may be a password. */
function withoutSecret(text: string): string {
  return text.replace(/(overriding earlier entry: [^=]*)=[\s\S]*$/, "$1");
}

/** A line that is no `name = value` may be the tail of a password; the message names the line, not its text. */
function withoutLine(text: string): string {
  return text.replace(/: "[\s\S]*$/, '; expected "name = value"');
}

function mainSource(name: string, context: TableContext): Source {
  return {
    get: (attribute) => context.parameter(`${name}_${attribute}`),
    where: (attribute) => `main.cf: ${name}_${attribute}`,
  };
}

const WHOLE_NUMBER = /^[ \t]*[-+]?[0-9]+$/;

function typed(name: string, { get, where }: Source): QueryFile {
  const refuse = (attribute: string, why: string): never => {
    throw new QueryFileFault(`${where(attribute)}: ${why}`);
  };
  const text = (attribute: string) => get(attribute) || undefined;
  return {
    name,
    text,
    isSet: (attribute) => get(attribute) !== undefined,
    where,
    refuse,
    integer(attribute, fallback, min = 0, max = 2 ** 31 - 1) {
      const written = get(attribute);
      if (written === undefined) return fallback;
      const value = Number(trimAscii(written));
      if (!WHOLE_NUMBER.test(written)) {
        refuse(attribute, `bad numerical configuration: ${attribute} = ${written}`);
      }
      if (value < min) refuse(attribute, `invalid ${attribute} parameter value ${value} < ${min}`);
      if (value > max) refuse(attribute, `invalid ${attribute} parameter value ${value} > ${max}`);
      return value;
    },
    flag(attribute, fallback) {
      const written = get(attribute);
      if (written === undefined) return fallback;
      if (/^yes$/i.test(written)) return true;
      if (/^no$/i.test(written)) return false;
      return refuse(attribute, `bad boolean configuration: ${attribute} = ${written}; expected yes or no`);
    },
    list: (attribute) => splitList(get(attribute) ?? ""),
  };
}
