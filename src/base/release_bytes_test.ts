import { expect, test } from "bun:test";
import { releaseBytes } from "./release_bytes.ts";

test("large bytes are empty afterwards, whoever looks at them; small ones may share their memory, and stay", () => {
  const large = Buffer.alloc(100_000, 97);
  const view = large.subarray(10, 20);
  releaseBytes(view);
  expect([large.length, view.length, large.buffer.byteLength]).toEqual([0, 0, 0]);
  releaseBytes(large);
  const small = Buffer.from("small");
  releaseBytes(small);
  expect(small.toString()).toBe("small");
});
