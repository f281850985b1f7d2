import { readJson } from "../base/bounded_json.ts";
import { count, Misfit, optional, record, type Shape, text } from "../base/shape.ts";

/** How the attempts went since the last certificate: what is to be waited for, over restarts too. */
export interface AcmeState {
  /** Attempts that failed in a row. */
  readonly failures: number;
  /** Milliseconds since 1970: not before then, because of them. */
  readonly notBefore?: number;
  /** What the last failure was, and what would help. */
  readonly problem?: string;
  /** The names that were asked for. */
  readonly names?: string;
}

const NOTHING: AcmeState = { failures: 0 };

const state: Shape<AcmeState> = record<AcmeState>({
  failures: count,
  notBefore: optional(count),
  problem: optional(text(4096)),
  names: optional(text(64 * 1024)),
});

/** The state in the text of its file; of none, or one that is damaged, nothing. */
export function readState(json: string | undefined): AcmeState {
  if (json === undefined) return NOTHING;
  const read = readJson(json.trim(), state);
  return read instanceof Misfit ? NOTHING : read;
}
