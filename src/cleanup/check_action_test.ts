import { defer, refuse } from "../smtp/reply.ts";
import { expect, test } from "bun:test";
import { parseCheckAction } from "./check_action.ts";

test("parseCheckAction() reads every action, and says what is wrong with the others", () => {
  const rows = [
    ["REJECT", { is: "reject", refusal: refuse(550, "5.7.1", "message content rejected") }],
    ["reject 5.1.9 no", { is: "reject", refusal: refuse(550, "5.1.9", "no") }],
    ["REJECT 4.2.0", { is: "reject", refusal: defer(451, "4.2.0", "message content rejected") }],
    ["WARN x  y", { is: "note", verb: "warning", text: "x  y" }],
    ["PREPEND A: b", { is: "prepend", text: "A: b" }],
    ["PREPEND no field", {
      is: "flawed",
      why: 'bad PREPEND header text "no field" in t map -- need "headername: headervalue"',
    }],
    ["REJECT 5.7.1 a\nb", { is: "reject", refusal: refuse(550, "5.7.1", "a\nb") }],
    ["PASS x", { is: "pass", text: "x" }],
    ["FILTER x", { is: "flawed", why: "bad FILTER command x in t -- need transport:destination" }],
    ["PREPEND", { is: "flawed", why: "PREPEND action without text in t map" }],
    ["REDIRECT nobody", { is: "flawed", why: 'bad REDIRECT target "nobody" in t map -- need user@domain' }],
    ["toString", { is: "flawed", why: "unknown command in t map: toString" }],
    ["ok", { is: "keep" }],
  ] as const;
  for (const [value, action] of rows) expect<unknown>(parseCheckAction(value, "t", "header")).toEqual(action);
});
