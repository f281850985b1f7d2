import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdFolder } from "./held_folder.ts";
import { usersWay } from "./walk_rules.ts";
import { withPeers } from "../../../../test/kit/peers.ts";

const asRoot = withPeers(import.meta.path, "root").test;
const [USER, OTHER] = [4711, 4712];

let top = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "held-"));
  chmodSync(top, 0o755);
});
afterEach(() => rmSync(top, { recursive: true }));

/** What a walk finds in the folder, or the code of why not. */
function found(path: string): string {
  try {
    const held = holdFolder(join(top, path), { mayUse: usersWay(USER) });
    const names = readdirSync(held.entry(".")).sort().join(" ");
    held.close();
    return names;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function folder(name: string, owner: number, mode: number): void {
  mkdirSync(join(top, name));
  chownSync(join(top, name), owner, owner);
  chmodSync(join(top, name), mode);
}

asRoot(
  "where everybody may write, only folders and links of root, the user and the folder's owner are on the way",
  () => {
    const rows = [
      [0, 0o1777, 0, "box"],
      [0, 0o1777, USER, "box"],
      [0, 0o1777, OTHER, "EACCES"],
      [OTHER, 0o1777, OTHER, "box"],
      [0, 0o777, OTHER, "EACCES"],
      [0, 0o2775, OTHER, "box"],
      [0, 0o755, OTHER, "box"],
    ] as const;
    rows.forEach(([owner, mode, put, want], row) => {
      const spool = `spool${row}`;
      folder(spool, owner, mode);
      folder(`${spool}/user`, put, 0o755);
      writeFileSync(join(top, spool, "user/box"), "");
      symlinkSync("user", join(top, spool, "link"));
      lchownSync(join(top, spool, "link"), put, put);
      expect([rows[row], found(`${spool}/user`), found(`${spool}/link`)]).toEqual([rows[row], want, want]);
    });
  },
);

test("links lead where they say, in circles nowhere, and dots too", () => {
  mkdirSync(join(top, "a/b"), { recursive: true });
  writeFileSync(join(top, "a/file"), "");
  symlinkSync(join(top, "a"), join(top, "absolute"));
  symlinkSync("../../a/./b/..", join(top, "a/b/relative"));
  symlinkSync("round", join(top, "round"));
  expect(found("absolute")).toBe("b file");
  expect(found("a//b/relative/b/..")).toBe("b file");
  expect(found("round")).toBe("ELOOP");
  expect(found("a/file")).toBe("ENOTDIR");
  expect(found("a/none/b")).toBe("ENOENT");
});

test("what was opened stays what it is, whatever gets its name", () => {
  mkdirSync(join(top, "a"));
  const held = holdFolder(join(top, "a"), { mayUse: usersWay(USER) });
  renameSync(join(top, "a"), join(top, "moved"));
  mkdirSync(join(top, "elsewhere"));
  symlinkSync("elsewhere", join(top, "a"));
  writeFileSync(held.entry("file"), "");
  held.close();
  expect([readdirSync(join(top, "moved")), readdirSync(join(top, "elsewhere"))]).toEqual([["file"], []]);
});
