import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { isOutOfReach } from "./lendable.ts";

const READER = { uid: 30_001, gid: 30_001 };
let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lendable-"));
  fs.chmodSync(folder, 0o755);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** A file of root's, or of somebody's, in a folder of root's or of somebody's. */
function file(name: string, { mode = 0o644, uid = 0, folderUid = 0 } = {}): string {
  const parent = path.join(folder, name);
  fs.mkdirSync(parent);
  const made = path.join(parent, "file");
  fs.writeFileSync(made, "");
  fs.chmodSync(made, mode);
  fs.chownSync(made, uid, uid);
  fs.chownSync(parent, folderUid, folderUid);
  return made;
}

test.skipIf(process.getuid!() !== 0)("a file is out of reach of who can neither write nor replace it", () => {
  const reach = (path: string) => isOutOfReach(path, READER);
  expect(reach(file("roots"))).toBe(true);
  expect(reach(file("anothers", { uid: 30_002, folderUid: 30_002 }))).toBe(true);
  expect(reach(file("his", { uid: READER.uid, mode: 0o444 }))).toBe(false);
  expect(reach(file("everybodys", { mode: 0o666 }))).toBe(false);
  expect(reach(file("in_his_folder", { folderUid: READER.uid }))).toBe(false);
  expect(reach(path.join(folder, "none"))).toBe(false);
});
