import type { TableContext } from "./context.ts";
import { shownSpec } from "./shown_spec.ts";
import type { Answer, Table } from "./table.ts";

/** A table that could not be opened: every lookup is trouble, so mail waits instead of taking a wrong way. */
export function unavailable(spec: string, why: string, retry: boolean): Table {
  const answer = notOpened(spec, why, retry);
  return { spec, pattern: false, lookup: () => answer, close: () => {} };
}

/** The trouble of a table that cannot be read now, and may be later. */
export function unavailableNow(spec: string, why: string): Answer {
  return notOpened(spec, why, true);
}

function notOpened(spec: string, reason: string, retry: boolean): Answer {
  const why = `${shownSpec(spec)} is unavailable. ${reason}`;
  return { is: "trouble", retry, why, part: { of: "opening", reason } };
}

/** A table whose name or rights are wrong: unavailable, with a warning now; postmap(1) says it when it asks. */
export function refused(
  spec: string,
  why: string,
  context: Pick<TableContext, "warn" | "asPostmap">,
): Table {
  if (context.asPostmap !== true) context.warn(`${shownSpec(spec)} is unavailable. ${why}`);
  return unavailable(spec, why, false);
}

/** A table of a type that must not say what is run or whose rights are used: nobody knows who is behind its server. */
export function unproven(spec: string, context: Pick<TableContext, "warn" | "asPostmap">): Table {
  return refused(spec, `${shownSpec(spec)} map is not allowed for security-sensitive data`, context);
}

/** A table whose answer depends on nothing but the key. */
export function plainTable(spec: string, lookup: (key: string) => Answer, pattern = false): Table {
  return { spec, pattern, lookup, close: () => {} };
}
