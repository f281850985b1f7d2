import { expect, test } from "bun:test";
import { RememberedFiles } from "./remembered_files.ts";

test("a file is read once as long as it is the same, and again when it is another that lies still", () => {
  let [now, text, changed, reads] = [1_000_000, "one", 0, 0];
  const files = new RememberedFiles({
    now: () => now,
    stampOf: () => ({ text, changed }),
    read: () => (reads++, text),
    readFolder: () => "",
  });
  for (let n = 0; n < 100; n++, now += 100) expect(files.read("/a")).toBe("one");
  expect(reads).toBe(1);
  [text, changed] = ["two", now];
  expect(files.read("/a")).toBe("one");
  now += 3000;
  expect(files.read("/a")).toBe("two");
  expect(reads).toBe(2);
});

test("a file that has gone is trouble, and one that was never there too", () => {
  let there = true;
  let now = 0;
  const files = new RememberedFiles({
    now: () => now,
    stampOf: () => there ? { text: "1", changed: -5000 } : undefined,
    read: () => {
      if (!there) throw new Error("gone");
      return "text";
    },
    readFolder: () => "",
  });
  expect(files.read("/a")).toBe("text");
  there = false;
  now += 5000;
  expect(() => files.read("/a")).toThrow("gone");
});
