import { isUtf8 } from "node:buffer";
import type { TableContext } from "../context.ts";
import { type DomainFilter, openDomainFilter } from "../query_file/query_domain.ts";
import type { QueryFile } from "../query_file/query_file.ts";
import type { ListTables } from "../search/match_list.ts";
import {
  expandTemplate,
  type Parts,
  type Piece,
  readTemplate,
  TemplateNeeds,
} from "../query_file/query_template.ts";
import type { ResultRules } from "../query_file/query_result.ts";
import { bindQuery, type BoundQuery, type SqlDialect, SqlTemplateFault } from "./sql_query.ts";

/** What is asked and what becomes of the answer. */
export interface SqlTemplate {
  readonly bound: BoundQuery;
  readonly rules: ResultRules;
  readonly domain: DomainFilter;
}

/** Reads the templates of a query file; refuses (by a QueryFileFault) what cannot be asked. */
export function readSqlTemplate(
  file: QueryFile,
  options: {
    readonly spec: string;
    readonly dialect: SqlDialect;
    readonly tables: ListTables;
    readonly legacyFunction?: boolean;
  },
): SqlTemplate {
  const { spec, dialect, tables } = options;
  const { attribute, text } = queryText(file, options.legacyFunction === true);
  const query = readTemplate(file, attribute, text, "query");
  const format = readTemplate(file, "result_format", file.text("result_format") ?? "%s", "result");
  const needs = new TemplateNeeds(query, format);
  // A negative limit is none, as it is in Postfix.
  const limit = file.integer("expansion_limit", 0, -(2 ** 31));
  return {
    bound: bound(file, attribute, query, dialect),
    rules: { spec, format, needs, limit, warn: tables.context.warn },
    domain: openDomainFilter(file, tables),
  };
}

/** `query`, or what the attributes from before Postfix 2.2 amount to. */
function queryText(
  file: QueryFile,
  legacyFunction: boolean,
): { readonly attribute: string; readonly text: string } {
  const query = file.text("query");
  if (query !== undefined) return { attribute: "query", text: query };
  const name = legacyFunction ? file.text("select_function") : undefined;
  if (name !== undefined) return { attribute: "select_function", text: `SELECT ${name}('%s')` };
  const [table, field, where] = ["table", "select_field", "where_field"].map((attribute) => {
    const value = file.text(attribute);
    if (value === undefined) file.refuse("query", `neither 'query' nor '${attribute}' parameter defined`);
    return value;
  });
  const conditions = file.text("additional_conditions") ?? "";
  return {
    attribute: "where_field",
    text: `SELECT ${field} FROM ${table} WHERE ${where}='%s' ${conditions}`,
  };
}

function bound(
  file: QueryFile,
  attribute: string,
  query: readonly Piece[],
  dialect: SqlDialect,
): BoundQuery {
  try {
    return bindQuery(query, dialect);
  } catch (error) {
    if (!(error instanceof SqlTemplateFault)) throw error;
    return file.refuse(attribute, error.message);
  }
}

/**
 * Whether a key can be asked for at all: values are text without NUL, so anything else is in no table (and Postfix does not
 * look for it either).
 */
export function isAskable(key: string, { encoding }: Pick<TableContext, "encoding">): boolean {
  if (key.includes("\0")) return false;
  return encoding === "latin1" ? isUtf8(Buffer.from(key, "latin1")) : key.isWellFormed();
}

/** The text that a key's bytes are, one a character (postmap -u). */
const textOfBytes = (bytes: string) => Buffer.from(bytes, "latin1").toString("utf8");

/** The values of a statement's holes. */
export function valuesFor(
  { holes }: BoundQuery,
  key: Parts,
  { encoding }: Pick<TableContext, "encoding">,
): string[] {
  const options = encoding === "latin1" ? { key, quote: textOfBytes } : { key };
  return holes.map(({ pieces }) => expandTemplate(pieces, options));
}

/** The statement's text; `parameter` writes the parameter of a hole, counted from 0. */
export function statementText({ text, holes }: BoundQuery, parameter: (hole: number) => string): string {
  return text.map((part, at) => {
    if (at >= holes.length) return part;
    const type = holes[at]!.type;
    return part + (type === undefined ? parameter(at) : `CAST(${parameter(at)} AS ${type})`);
  }).join("");
}
