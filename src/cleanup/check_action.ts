import { isField } from "../message/header.ts";
import { type Refusal, refusalWith, refuse } from "../smtp/reply.ts";

/** What a header or body table says of a line (header_checks(5)). */
export type CheckAction =
  | { readonly is: "keep" }
  | { readonly is: "reject"; readonly refusal: Refusal }
  | { readonly is: "note"; readonly verb: "warning" | "info"; readonly text: string }
  | { readonly is: "hold" | "discard" | "strip" | "pass"; readonly text: string }
  | { readonly is: "ignore" }
  | { readonly is: "filter" | "redirect" | "bcc" | "replace" | "prepend"; readonly text: string }
  /** Nothing that can be carried out; the line stays, and the text is a warning. */
  | { readonly is: "flawed"; readonly why: string };

const KEEP: CheckAction = { is: "keep" };

/** What a table looks at: its lines replace and join lines of that kind. */
export type CheckedKind = "header" | "body";

type Reader = (text: string, table: string, kind: CheckedKind) => CheckAction;

/** What takes a header's place or stands before it is a header itself: other text would end the headers (header_checks(5)). */
const writes = (is: "replace" | "prepend"): Reader => (text, table, kind) => {
  const name = is.toUpperCase();
  if (text === "") return { is: "flawed", why: `${name} action without text in ${table} map` };
  if (kind === "body" || isField(text)) return { is, text };
  const why = `bad ${name} header text "${text}" in ${table} map -- need "headername: headervalue"`;
  return { is: "flawed", why };
};

const addresses = (is: "redirect" | "bcc", what: string): Reader => (text, table) =>
  text.includes("@")
    ? { is, text }
    : { is: "flawed", why: `bad ${what} "${text}" in ${table} map -- need user@domain` };

function filter(text: string, table: string): CheckAction {
  if (text === "") return { is: "flawed", why: `missing FILTER command argument in ${table} map` };
  if (text.includes(":")) return { is: "filter", text };
  return { is: "flawed", why: `bad FILTER command ${text} in ${table} -- need transport:destination` };
}

function reject(text: string): CheckAction {
  const match = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+([^]*))?$/.exec(text);
  const given = match === null ? text : match[2] ?? "";
  const reason = given === "" ? "message content rejected" : given;
  const status = match?.[1] ?? "5.7.1";
  const refusal = refusalWith(status.startsWith("4") ? 451 : 550, status, reason);
  return { is: "reject", refusal: refusal ?? refuse(550, "5.7.1", reason) };
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
  PASS: (text) => ({ is: "pass", text }),
  FILTER: filter,
  REDIRECT: addresses("redirect", "REDIRECT target"),
  BCC: addresses("bcc", "BCC address"),
  REPLACE: writes("replace"),
  PREPEND: writes("prepend"),
};

/** Reads a table's result; `table` names the parameter in warnings, `kind` is what was looked up. */
export function parseCheckAction(value: string, table: string, kind: CheckedKind): CheckAction {
  const [, word = "", rest = ""] = /^\s*(\S*)\s*([^]*?)\s*$/.exec(value) ?? [];
  const reader = ACTIONS[word.toUpperCase()];
  if (reader !== undefined && Object.hasOwn(ACTIONS, word.toUpperCase())) return reader(rest, table, kind);
  return { is: "flawed", why: `unknown command in ${table} map: ${value}` };
}
