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

type Reader = (text: string, table: string) => CheckAction;

const needsText =
  (is: "filter" | "redirect" | "bcc" | "replace" | "prepend", name: string): Reader => (text, table) =>
    text === "" ? { is: "flawed", why: `${name} action without text in ${table} map` } : { is, text };

function reject(text: string): CheckAction {
  const match = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/.exec(text);
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
  FILTER: (text, table) =>
    text === "" || text.includes(":")
      ? needsText("filter", "FILTER")(text, table)
      : { is: "flawed", why: `bad FILTER command in ${table}: "${text}" -- missing delivery agent name` },
  REDIRECT: (text, table) =>
    text === "" || text.includes("@")
      ? needsText("redirect", "REDIRECT")(text, table)
      : { is: "flawed", why: `bad REDIRECT target "${text}" in ${table} map -- need user@domain` },
  BCC: (text, table) =>
    text === "" || text.includes("@")
      ? needsText("bcc", "BCC")(text, table)
      : { is: "flawed", why: `bad BCC address "${text}" in ${table} map -- need user@domain` },
  REPLACE: needsText("replace", "REPLACE"),
  PREPEND: needsText("prepend", "PREPEND"),
};

/** Reads a table's result; `table` names the parameter in warnings. */
export function parseCheckAction(value: string, table: string): CheckAction {
  const [, word = "", rest = ""] = /^\s*(\S*)\s*([^]*?)\s*$/.exec(value) ?? [];
  const reader = ACTIONS[word.toUpperCase()];
  if (reader !== undefined && Object.hasOwn(ACTIONS, word.toUpperCase())) return reader(rest, table);
  return { is: "flawed", why: `unknown command in ${table} map: ${value}` };
}
