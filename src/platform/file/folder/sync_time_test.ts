import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syncTime } from "./sync_time.ts";

test("syncTime() takes some time and leaves nothing in the folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "sync-time-"));
  expect(syncTime(folder)).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

test("syncTime() throws the system's error where there is no folder", () => {
  expect(() => syncTime("/not/there")).toThrow("ENOENT");
});
