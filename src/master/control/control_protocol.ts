import { join } from "node:path";
import { either, known, oneOf, record, type Shape, text } from "../../base/shape.ts";
import { type FaultReport, faultReport } from "./service_fault.ts";

/**
 * What a tool and the running service say to each other, a line of JSON each:
 *
 * ```
 * tool:    {"verb": "hold", "args": {}}
 * tool:    {"item": "4XYZ..."}     as many as there are, where the verb takes items
 * tool:    {"end": true}           after them
 * service: {"row": ...}            as many as there are
 * service: {"done": ...} or {"fault": {"kind": ..., "why": ...}}
 * ```
 *
 * One request a connection, which the tool keeps open until the answer is there. What is in the places of the dots, ./control_verbs.ts says.
 */
export interface RequestLine {
  readonly verb: string;
  readonly args: unknown;
}

/** A line after the request. */
export type ItemLine = { readonly item: unknown } | { readonly end: true };

/** A line of the answer; the last one is `done` or `fault`. */
export type AnswerLine =
  | { readonly row: unknown }
  | { readonly done: unknown }
  | { readonly fault: FaultReport };

/** Longest line of a tool, in bytes; what is more than that comes as items. */
export const REQUEST_LIMIT = 8 * 1024;
/** Longest line of the service. */
export const ANSWER_LIMIT = 2 * 1024 * 1024;

/** Checked against its verb later. */
const anything: Shape<unknown> = (value) => value;

export const requestLine: Shape<RequestLine> = record<RequestLine>({ verb: text(64), args: anything });

const has = <const Key extends string>(key: Key): Shape<{ readonly [K in Key]: unknown }> => {
  const guard = (value: unknown): value is { readonly [K in Key]: unknown } =>
    typeof value === "object" && value !== null && Object.hasOwn(value, key);
  return known(guard, `"${key}"`);
};

export const itemLine: Shape<ItemLine> = either(
  has("item"),
  record<{ readonly end: true }>({ end: oneOf(true) }),
);

export const answerLine: Shape<AnswerLine> = either(
  has("row"),
  either(has("done"), record<{ readonly fault: FaultReport }>({ fault: faultReport })),
);

/** The line of a value. */
export function printLine(value: RequestLine | ItemLine | AnswerLine): string {
  return `${JSON.stringify(value)}\n`;
}

/** The name of the control socket in its folder. */
export const CONTROL_SOCKET = "socket";

/** The control socket's folder, the master's own: below queue_directory, so that one instance has one. */
export function controlFolder(queueDirectory: string): string {
  return join(queueDirectory, "control");
}

/** Where the control socket is. */
export function controlSocketPath(queueDirectory: string): string {
  return join(controlFolder(queueDirectory), CONTROL_SOCKET);
}
