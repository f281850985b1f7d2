import { isField } from "../message/header.ts";
import type { Status } from "../smtp/reply.ts";

/** What a header or body table says of a line (header_checks(5)). */
export type CheckAction =
  | { readonly is: "keep" }
  | { readonly is: "reject"; readonly status: Status; readonly text: string }
  | { readonly is: "note"; readonly verb: "warning" | "info"; readonly text: string }
  | { readonly is: "hold" | "discard" | "strip"; readonly text: string }
  | { readonly is: "ignore" }
  | { readonly is: "filter" | "redirect" | "bcc" | "replace" | "prepend"; readonly text: string }
  /** Nothing that can be carried out; the line stays, and the text is a warning. */
  | { readonly is: "flawed"; readonly why: string };

const KEEP: CheckAction = { is: "keep" };

/** What a table looks at: its lines replace and join lines of that kind. */
export type CheckedKind = "header" | "body";

type Reader = (text: string, table: string, kind: CheckedKind) => CheckAction;

const needsText =
  (is: "filter" | "redirect" | "bcc" | "replace" | "prepend", name: string): Reader => (text, table) =>
    text === "" ? { is: "flawed", why: `${name} action without text in ${table} map` } : { is, text };

/** What takes a header's place or stands before it is a header itself: other text would end the headers (header_checks(5)). */
const newText = (is: "replace" | "prepend", name: string): Reader => (text, table, kind) =>
  kind === "body" || text === "" || isField(text) ? needsText(is, name)(text, table, kind) : {
    is: "flawed",
    why: `bad ${name} header text "${text}" in ${table} map -- need "headername: headervalue"`,
  };

function reject(text: string): CheckAction {
  const match = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+([^]*))?$/.exec(text);
  const given = match === null ? text : match[2] ?? "";
  const status = (match === null ? "5.7.1" : match[1]!) as Status;
  return { is: "reject", status, text: given === "" ? "message content rejected" : given };
}

const ACTIONS: Readonly<Record<string, Reader>> = {
  REJECT: reject,
  WARN: (text) => ({ is: "note", verb: "warning", text }),
  INFO: (text) => ({ is: "note", verb: "info", text }),
  HOLD: (text) => ({ is: "hold", text }),
  DISCARD: (text) => ({ is: "discard", text }),
  STRIP: (text) => ({ is: "strip", text }),
  IGNORE: () => ({ is: "ignore" }),
  DUNNO: () => KEEP,
  OK: () => KEEP,
  PASS: () => KEEP,
  FILTER: (text, table, kind) =>
    text === "" || text.includes(":")
      ? needsText("filter", "FILTER")(text, table, kind)
      : { is: "flawed", why: `bad FILTER command in ${table}: "${text}" -- missing delivery agent name` },
  REDIRECT: (text, table, kind) =>
    text === "" || text.includes("@")
      ? needsText("redirect", "REDIRECT")(text, table, kind)
      : { is: "flawed", why: `bad REDIRECT target "${text}" in ${table} map -- need user@domain` },
  BCC: (text, table, kind) =>
    text === "" || text.includes("@")
      ? needsText("bcc", "BCC")(text, table, kind)
      : { is: "flawed", why: `bad BCC address "${text}" in ${table} map -- need user@domain` },
  REPLACE: newText("replace", "REPLACE"),
  PREPEND: newText("prepend", "PREPEND"),
};

/** Reads a table's result; `table` names the parameter in warnings. */
export function parseCheckAction(value: string, table: string, kind: CheckedKind): CheckAction {
  const [, word = "", rest = ""] = /^\s*(\S*)\s*([^]*?)\s*$/.exec(value) ?? [];
  const reader = ACTIONS[word.toUpperCase()];
  if (reader !== undefined && Object.hasOwn(ACTIONS, word.toUpperCase())) return reader(rest, table, kind);
  return { is: "flawed", why: `unknown command in ${table} map: ${value}` };
}
