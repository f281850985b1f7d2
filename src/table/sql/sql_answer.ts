import type { TableContext } from "../context.ts";
import { ResultGatherer, type ResultRules } from "../query_file/query_result.ts";
import type { Parts } from "../query_file/query_template.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { textFromWire } from "../remote/remote_text.ts";
import type { Answer } from "../table.ts";

/** Rows of one answer; more are an error, not memory. */
export const MOST_ROWS = 10_000;

/** The rows of an answer, as bytes of text. */
export type Rows = readonly (readonly (Uint8Array | null)[])[];

/** The answer that rows amount to: all their columns, each in `result_format`. */
export function sqlAnswer(
  rows: Rows,
  { rules, key, context }: {
    readonly rules: ResultRules;
    readonly key: Parts;
    readonly context: TableContext;
  },
): Answer {
  if (rows.length > MOST_ROWS) throw new LookupFault(`more than ${MOST_ROWS} rows for key '${key.whole}'`);
  const gatherer = new ResultGatherer(rules, key);
  for (const row of rows) {
    for (const value of row) {
      if (!gatherer.add(value === null ? null : textOf(value, key, context))) return gatherer.answer();
    }
  }
  return gatherer.answer();
}

/** A value that is no text would be a wrong one, whatever is made of it. */
function textOf(value: Uint8Array, key: Parts, context: TableContext): string {
  const text = textFromWire(Buffer.from(value.buffer, value.byteOffset, value.byteLength), context);
  if (text !== undefined) return text;
  throw new LookupFault(`key "${key.whole}": non-UTF-8 value`, { retry: false });
}
