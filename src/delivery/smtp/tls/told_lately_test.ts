import { expect, test } from "bun:test";
import { ToldLately } from "./told_lately.ts";

test("a warning is told once in a while, and no more than a thousand are remembered", () => {
  let now = 0;
  const lately = new ToldLately(() => now);
  expect(lately.news(["a", "b", "a"])).toEqual(["a", "b"]);
  now = 99_999;
  expect(lately.news(["a", "c"])).toEqual(["c"]);
  now = 100_000;
  expect(lately.news(["a", "c"])).toEqual(["a"]);
  lately.news(Array.from({ length: 1000 }, (_, i) => `${i}`));
  expect(lately.news(["a"])).toEqual(["a"]);
});
