import { trimAscii } from "../../config/syntax/logical_lines.ts";

/** Reads a file or lists a folder's `*.cnf` files; undefined when it cannot be read. */
export interface OptionFiles {
  readonly text: (path: string) => string | undefined;
  readonly folder: (path: string) => readonly string[];
}

/** An option of the last group that sets it, with the file and line it stands in. */
export interface MysqlOption {
  readonly value: string;
  readonly where: string;
  /** Written `loose-name`: it does not matter who does not know it. */
  readonly isLoose: boolean;
}

const DEEPEST_INCLUDE = 10;

/**
 * The options that a client takes from option files: of the groups `[client]`, `[client-server]`, `[client-mariadb]` and one
 * more, later ones over earlier ones; `!include` and `!includedir` are followed (MariaDB: option files).
 */
export function readMysqlOptions(
  paths: readonly string[],
  group: string,
  files: OptionFiles,
): ReadonlyMap<string, MysqlOption> {
  const wanted = new Set(["client", "client-server", "client-mariadb", ...(group === "" ? [] : [group])]);
  const options = new Map<string, MysqlOption>();
  for (const path of paths) readInto(path, wanted, options, { ...files, depth: 0 });
  return options;
}

function readInto(
  path: string,
  wanted: ReadonlySet<string>,
  options: Map<string, MysqlOption>,
  from: OptionFiles & { readonly depth: number },
): void {
  const text = from.depth < DEEPEST_INCLUDE ? from.text(path) : undefined;
  let group = "";
  for (const [at, line] of (text ?? "").split("\n").entries()) {
    const trimmed = trimAscii(line);
    const include = /^!(include|includedir)\s+(.*)$/.exec(trimmed);
    if (include !== null) {
      const next = { ...from, depth: from.depth + 1 };
      const paths = include[1] === "include" ? [include[2]!] : from.folder(include[2]!);
      for (const each of paths) readInto(each, wanted, options, next);
      continue;
    }
    if (trimmed === "" || /^[#;!]/.test(trimmed)) continue;
    const header = /^\[\s*([^\]]*?)\s*\]/.exec(trimmed);
    if (header !== null) group = header[1]!;
    else if (wanted.has(group)) setOption(trimmed, `${path}, line ${at + 1}`, options);
  }
}

/** `name = value`, `name` alone; dashes and underscores are the same, a `loose-` in front is left off. */
function setOption(line: string, where: string, options: Map<string, MysqlOption>): void {
  const match = /^([^=\s]+)\s*(?:=\s*(.*))?$/.exec(line);
  if (match === null) return;
  const written = match[1]!.toLowerCase().replaceAll("_", "-");
  const isLoose = written.startsWith("loose-");
  const name = isLoose ? written.slice("loose-".length) : written;
  options.set(name, { value: optionValue(match[2] ?? ""), where, isLoose });
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", r: "\r", s: " " };

/** A comment ends an unquoted value; quotes come off; backslash escapes are undone. */
function optionValue(text: string): string {
  const quoted = /^'((?:[^'\\]|\\.)*)'|^"((?:[^"\\]|\\.)*)"/.exec(text);
  const raw = quoted === null ? trimAscii(text.replace(/\s#.*$/, "")) : quoted[1] ?? quoted[2]!;
  return raw.replace(
    /\\(.)/g,
    (whole, char: string) => ESCAPES[char] ?? (/[\\'"]/.test(char) ? char : whole),
  );
}
