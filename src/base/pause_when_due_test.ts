import { expect, test } from "bun:test";
import { pauseWhenDue } from "./pause_when_due.ts";

const spin = (milliseconds: number) => {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
};
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("work goes on within a short turn, and waits for the next one after a long one", async () => {
  await nextTurn();
  expect(pauseWhenDue()).toBeUndefined();
  spin(12);
  const others: string[] = [];
  setImmediate(() => others.push("served"));
  await pauseWhenDue();
  expect(others).toEqual(["served"]);
  expect(pauseWhenDue()).toBeUndefined();
});
