import { resolvePath, type TableContext } from "../../table/context.ts";
import type { Finding } from "./finding.ts";

/** Where an entry of a table stands: in words, and for who reads findings by program. */
export interface TablePlace {
  readonly text: string;
  readonly at: Pick<Finding, "file" | "line">;
}

/** Tables whose name is what they hold: with passwords in them, it is not to be shown. */
const CONTENT = /(?<=\b(?:inline|static|randmap):).*/s;

/** The place of an entry, or of the whole table. */
export function tablePlace(spec: string, tables: TableContext, line?: number): TablePlace {
  if (CONTENT.test(spec)) return { text: spec.replace(CONTENT, "..."), at: {} };
  const file = resolvePath(spec.slice(spec.indexOf(":") + 1), tables);
  if (line === undefined) return { text: spec, at: { file } };
  return { text: `${file}, line ${line}`, at: { file, line } };
}
