import { printable } from "../../base/printable.ts";
import { writeOut } from "../../platform/process/this_process.ts";

/** Where a run's lines go. */
export interface FingerOutput {
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
  /** As it is, without the program's name in front. */
  readonly print: (text: string) => void;
}

/** Everything on standard output, as it is a program of diagnostics. */
export function linesOn(program: string): FingerOutput {
  const line = (text: string) => writeOut(`${program}: ${printable(text)}\n`);
  return { say: line, warn: (text) => line(`warning: ${text}`), print: writeOut };
}

/** Keeps the lines, for the JSON object that ends the run. */
export function keptLines(): FingerOutput & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const keep = (text: string) => void lines.push(printable(text));
  return { lines, say: keep, warn: (text) => keep(`warning: ${text}`), print: () => {} };
}
