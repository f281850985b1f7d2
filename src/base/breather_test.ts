import { expect, test } from "bun:test";
import { breather } from "./breather.ts";

const spin = (milliseconds: number) => {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
};
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("work goes on within a short turn, and waits for the next one after a long one", async () => {
  await nextTurn();
  expect(breather()).toBeUndefined();
  spin(12);
  const others: string[] = [];
  setImmediate(() => others.push("served"));
  await breather();
  expect(others).toEqual(["served"]);
  expect(breather()).toBeUndefined();
});
