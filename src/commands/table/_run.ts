import type { TableContext } from "../../table/context.ts";
import type { Progress } from "./_progress.ts";
import { ToolFault, type ToolOptions, type ToolStyle } from "./_options.ts";
import type { WalkParameters } from "../../message/mime_walker.ts";

/** A run of postmap or postalias: what was asked, and the configuration it is asked under. */
export interface ToolRun {
  readonly style: ToolStyle;
  readonly options: ToolOptions;
  /** No UTF-8 checks and ASCII folding: -u, or smtputf8_enable = no. */
  readonly encoding: "utf8" | "latin1";
  readonly settings: WalkParameters;
  readonly parameter: (name: string) => string | undefined;
  readonly warn: (text: string) => void;
  readonly progress: Progress;
  /** How tables are opened for -q. */
  readonly context: TableContext;
}

/** The same for what is opened as it is, which has both (postmap(1), -d and -s). */
export function splitNamedSpec(run: ToolRun, argument: string): ReturnType<typeof splitSpec> {
  const parts = splitSpec(run, argument);
  if (parts.type !== "" && parts.name !== "") return parts;
  throw new ToolFault(`open dictionary: expecting "type:name" form instead of "${argument}"`);
}

/** The type and name of a table argument; the type is what precedes the first colon, else default_database_type. */
export function splitSpec(run: ToolRun, argument: string): { readonly type: string; readonly name: string } {
  const colon = argument.indexOf(":");
  if (colon < 0) return { type: run.parameter("default_database_type") ?? "hash", name: argument };
  return { type: argument.slice(0, colon), name: argument.slice(colon + 1) };
}
