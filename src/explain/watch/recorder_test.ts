import { expect, test } from "bun:test";
import { Recorder } from "./recorder.ts";

test("a session with very many lookups is cut off, and says so", () => {
  const recorder = new Recorder();
  for (let at = 0; at < 6000; at++) recorder.note({ kind: "table", source: "x:y", key: String(at) });
  expect(recorder.take().length).toBe(5000);
  expect(recorder.take()).toEqual([]);
  expect(recorder.assumptions).toEqual(["only the first 5000 lookups are shown"]);
});
