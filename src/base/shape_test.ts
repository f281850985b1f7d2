import { expect, test } from "bun:test";
import { DEEPEST, readJson } from "./bounded_json.ts";
import { count, list, Misfit, nothing, oneOf, optional, record, tagged, text } from "./shape.ts";

interface Ask {
  readonly is: "ask";
  readonly id: number;
  readonly queue?: "hold" | "deferred";
}
interface Stop {
  readonly is: "stop";
}
const message = tagged<Ask | Stop, "is">("is", {
  ask: record<Ask>({ is: oneOf("ask"), id: count, queue: optional(oneOf("hold", "deferred")) }),
  stop: record<Stop>({ is: oneOf("stop") }),
});

test("a value comes out as its type, without fields that the type does not name", () => {
  expect(readJson('{"is":"ask","id":3,"queue":"hold","more":[1]}', message))
    .toEqual({ is: "ask", id: 3, queue: "hold" });
  expect(readJson('{"is":"stop"}', message)).toEqual({ is: "stop" });
});

test("a misfit says where and what is expected", () => {
  const why = (json: string) => String(readJson(json, message));
  expect(why('{"is":"ask","id":-1}')).toBe("id: a whole number from 0 to 9007199254740991 expected");
  expect(why('{"is":"ask","id":1,"queue":null}')).toBe('queue: "hold" or "deferred" expected');
  expect(why('{"is":"toString"}')).toBe("is: one of ask, stop expected");
  expect(why("[]")).toBe("is: one of ask, stop expected");
  expect(why("{")).toBe("JSON expected");
  expect(String(readJson('[1,"a"]', list(count, 5)))).toStartWith("1: a whole number");
  expect(readJson("[1,2,3]", list(count, 2))).toBeInstanceOf(Misfit);
  expect(readJson('"abcd"', text(3))).toBeInstanceOf(Misfit);
  expect(readJson("null", nothing)).toBe(null);
});

test("a field that only the prototype has is not there", () => {
  expect(readJson('{"is":"ask"}', record<{ toString: string }>({ toString: text(9) })))
    .toBeInstanceOf(Misfit);
});

test("nesting is bounded before anything is built; brackets in texts do not count", () => {
  const anything = (value: unknown) => value;
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  expect(readJson(nested(DEEPEST), anything)).not.toBeInstanceOf(Misfit);
  expect(readJson(nested(DEEPEST + 1), anything)).toBeInstanceOf(Misfit);
  expect(readJson("[".repeat(1_000_000), anything)).toBeInstanceOf(Misfit);
  expect(readJson(JSON.stringify("[".repeat(100)), anything)).toBe("[".repeat(100));
  expect(readJson(String.raw`["\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]`, anything))
    .not.toBeInstanceOf(Misfit);
});
