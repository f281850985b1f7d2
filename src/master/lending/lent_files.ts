import { parseMainCf } from "../../config/syntax/main_cf.ts";
import type { Configuration } from "../../config/service.ts";
import { cyrusFiles } from "../../sasl/read_backend.ts";
import { tableType } from "../../table/table_types.ts";
import { secretFiles } from "./secret_files.ts";

/** A file of more bytes is not lent: it would be held in memory by every worker. */
export const LARGEST_LOAN = 1024 * 1024;
/** Query files name further tables, and those their own. */
const DEEPEST = 4;

/** `type:/file` and `type:./file`, wherever they stand in a value: in lists, braces, behind `proxy:`. */
const TABLE_FILE = /(?:^|[\s,{}!:])([a-z]+):(\.{0,2}\/[^\s,{}]+)/g;
/** Attributes of query files whose value is a file. */
const FILE_ATTRIBUTE = /^(?:tls_\w*(?:file|cert|key)|option_file)$/;

/**
 * The files of tables, and of Cyrus SASL, that only root may read (query files with passwords, sources of sasl_passwd), read for the workers, who
 * are never root: Postfix's daemons open their tables before they give up root's rights. `read` answers undefined for files
 * that need no lending. Only files that main.cf and master.cf name are lent.
 */
export function lentFiles(
  configuration: Configuration,
  read: (path: string) => string | undefined,
): Readonly<Record<string, string>> {
  const lent: Record<string, string> = {};
  const seen = new Set<string>();
  const lend = (path: string, depth: number, isQueryFile: boolean) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = read(path);
    if (text === undefined) return;
    lent[path] = text;
    if (!isQueryFile || depth >= DEEPEST) return;
    for (const { name, value } of parseMainCf(text, path).entries.values()) {
      if (FILE_ATTRIBUTE.test(name) && value.startsWith("/")) lend(value, depth + 1, false);
      else look(value, depth + 1);
    }
  };
  const look = (value: string, depth: number) => {
    for (const [, type, name] of value.matchAll(TABLE_FILE)) {
      const row = tableType(type!);
      if (row === undefined) continue;
      const path = name!.startsWith("/") ? name! : `${configuration.directory}/${name}`;
      lend(path, depth, row.index === undefined && row.local !== true);
    }
  };
  for (const value of valuesOf(configuration)) look(value, 0);
  for (const { settings } of configuration.services) {
    for (const path of cyrusFiles(settings)) lend(path, 0, false);
  }
  const textOf = (path: string) => {
    lend(path, 0, false);
    return lent[path];
  };
  secretFiles(configuration, textOf);
  return lent;
}

/** All values that are set, expanded as each service sees them. */
function valuesOf(configuration: Configuration): Set<string> {
  const { texts, services } = configuration;
  const names = new Set(parseMainCf(texts?.main ?? "", "main.cf").entries.keys());
  for (const { name } of texts?.overrides ?? []) names.add(name);
  for (const [, name] of (texts?.master ?? "").matchAll(/-o\s*\{?\s*(\w+)\s*=/g)) names.add(name!);
  const values = new Set<string>();
  for (const name of names) {
    for (const each of [configuration, ...services]) {
      const value = each.parameter(name);
      if (value !== undefined && value.includes("/")) values.add(value);
    }
  }
  return values;
}
