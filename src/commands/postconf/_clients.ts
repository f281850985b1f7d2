import type { TextRead } from "../../config/world.ts";
import { parseMainCf } from "../../config/syntax/main_cf.ts";
import { balancedLength, splitListRaw } from "../../config/syntax/list.ts";
import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";

/** What the scan of a value for table clients needs. */
export interface ClientScan {
  /** `mysql:name`: the main.cf names that belong to it. */
  use(name: string): void;
  /** The text of a table's own file, or the system's complaint. */
  read(path: string): TextRead;
  /** Files that have been looked at. */
  readonly seen: Set<string>;
  warn(text: string): void;
  /** File for complaints about braces: `main.cf`, or `master.cf:name/type`. */
  readonly place: string;
}

/** The text inside the braces, or what Postfix makes of a broken pair. */
function inside(item: string, scan: ClientScan): string {
  const length = balancedLength(item);
  if (length === 0) scan.warn(`${scan.place}: missing '}' in "${item}"`);
  else if (length < item.length) scan.warn(`${scan.place}: syntax error after '}' in "${item}"`);
  return length === 0 ? item.slice(1) : item.slice(1, length - 1);
}

/** Looks for tables with clients of their own in an expanded value, groups and compound tables included (postconf(1)). */
export function scanClients(value: string, scan: ClientScan): void {
  for (const item of splitListRaw(value)) {
    if (item.startsWith("{")) {
      scanClients(inside(item, scan), scan);
      continue;
    }
    const [, type, name] = /^(?:proxy:)*([^:]*):([\s\S]*)$/.exec(item) ?? [];
    if (type === undefined || name === undefined) continue;
    if (name.startsWith("{")) scanClients(inside(name, scan), scan);
    else if (Object.hasOwn(TABLE_PARAMETERS, type)) scanClient(type, name, scan);
  }
}

function scanClient(type: string, name: string, scan: ClientScan): void {
  if (name.startsWith("/")) scanFile(type, name, scan);
  else if (!name.startsWith(".")) {
    for (const each of TABLE_PARAMETERS[type]!) scan.use(`${name}_${each}`);
  }
}

/** A client's own file: is it there, and does it say only what the client understands? */
function scanFile(type: string, path: string, scan: ClientScan): void {
  const spec = `${type}:${path}`;
  if (scan.seen.has(spec)) return;
  scan.seen.add(spec);
  const read = scan.read(path);
  if ("error" in read) {
    const why = read.code === "EISDIR" ? "not a regular file" : read.error;
    if (read.code !== "EACCES") scan.warn(`open "${type}" configuration "${path}": ${why}`);
    return;
  }
  for (const { name, value } of parseMainCf(read.text, path).entries.values()) {
    if (!TABLE_PARAMETERS[type]!.includes(name)) scan.warn(`${spec}: unused parameter: ${name}=${value}`);
  }
}
