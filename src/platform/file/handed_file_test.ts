import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { FolderEntries } from "./folder/folder_entries.ts";
import { openHanded, removeEmptyFolder } from "./handed_file.ts";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(join(os.tmpdir(), "mta-handed-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function entriesOf(path: string): Map<string, string> {
  const entries = new FolderEntries(path);
  const all = new Map<string, string>();
  for (let some = entries.next(); some !== undefined; some = entries.next()) {
    for (const { name, kind } of some) all.set(name, kind);
  }
  entries.close();
  return all;
}

test("all that is in a folder is told once, by its kind, however much it is", () => {
  const path = join(folder, "many");
  fs.mkdirSync(path);
  expect(entriesOf(path).size).toBe(0);
  for (let k = 0; k < 3000; k++) fs.writeFileSync(join(path, `${"n".repeat(k % 200)}${k}`), "");
  fs.mkdirSync(join(path, "folder"));
  fs.symlinkSync("nowhere", join(path, "link"));
  spawnSync("mkfifo", [join(path, "pipe")]);
  const found = entriesOf(path);
  expect([...found.keys()].sort()).toEqual(fs.readdirSync(path).sort());
  expect(["folder", "link", "pipe", "n1"].map((name) => found.get(name))).toEqual([
    "folder",
    "other",
    "other",
    "file",
  ]);
});

test("no link is followed to a file that is handed over, and nobody waits at a pipe", async () => {
  fs.writeFileSync(join(folder, "file"), "text");
  fs.symlinkSync("file", join(folder, "link"));
  spawnSync("mkfifo", [join(folder, "pipe")]);
  expect(() => openHanded(join(folder, "link"))).toThrow("ELOOP");
  const pipe = openHanded(join(folder, "pipe"));
  expect(pipe.state.isPlain).toBe(false);
  pipe.close();
  const file = openHanded(join(folder, "file"));
  fs.unlinkSync(join(folder, "file")); // it is the one that was opened all the same
  const bytes = Buffer.alloc(10);
  expect(await file.read(bytes, 1)).toBe(3);
  expect(bytes.toString("latin1", 0, 3)).toBe("ext");
  file.close();
});

test("only a folder with nothing in it is removed", () => {
  fs.mkdirSync(join(folder, "full/inner"), { recursive: true });
  expect(removeEmptyFolder(join(folder, "full"))).toBe(false);
  expect(removeEmptyFolder(join(folder, "full/inner"))).toBe(true);
  expect(removeEmptyFolder(join(folder, "full"))).toBe(true);
  expect(removeEmptyFolder(join(folder, "full"))).toBe(true);
});
