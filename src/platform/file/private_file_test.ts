import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createPrivateFile, isOpenToAll } from "./private_file.ts";

let folder: string;
beforeAll(() => folder = fs.mkdtempSync(path.join(os.tmpdir(), "private-")));
afterAll(() => fs.rmSync(folder, { recursive: true }));

test("a private file is its owner's alone, and takes no other's place", () => {
  const file = path.join(folder, "new", "key");
  createPrivateFile(file, "secret");
  expect([fs.statSync(file).mode & 0o777, isOpenToAll(file)]).toEqual([0o600, false]);
  expect(() => createPrivateFile(file, "other")).toThrow("EEXIST");
  expect(fs.readFileSync(file, "utf8")).toBe("secret");
  fs.chmodSync(file, 0o644);
  expect([isOpenToAll(file), isOpenToAll(path.join(folder, "none"))]).toEqual([true, false]);
});
