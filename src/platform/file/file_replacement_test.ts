import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "./file_replacement.ts";

let folder = "";
beforeEach(() => folder = fs.mkdtempSync(join(tmpdir(), "file-replacement-")));
afterEach(() => fs.rmSync(folder, { recursive: true }));

describe.each([false, true])("named from the start: %p", (named) => {
  const begin = (path: string) => replaceFile(path, { mode: 0o640, named });

  test("the old content stays until the new one is whole, and nothing else is left", () => {
    const path = join(folder, "table.db");
    fs.writeFileSync(path, "old", { mode: 0o604 });
    const replacement = begin(path);
    replacement.write(Buffer.from("content"), 3);
    replacement.write(Buffer.from("new"), 0);
    expect(fs.readFileSync(path, "utf8")).toBe("old");
    replacement.commit();
    expect(fs.readFileSync(path, "utf8")).toBe("newcontent");
    expect(fs.statSync(path).mode & 0o7777).toBe(0o604);
    expect(fs.readdirSync(folder)).toEqual(["table.db"]);
  });

  test("a new file gets the mode that was asked for, whatever the umask", () => {
    const path = join(folder, "table.db");
    begin(path).commit();
    expect(fs.statSync(path).mode & 0o7777).toBe(0o640);
  });

  test("abandoned, it leaves everything as it was", () => {
    const path = join(folder, "table.db");
    fs.writeFileSync(path, "old");
    const replacement = begin(path);
    replacement.write(Buffer.from("new"), 0);
    replacement.abandon();
    expect(fs.readFileSync(path, "utf8")).toBe("old");
    expect(fs.readdirSync(folder)).toEqual(["table.db"]);
  });

  test("what a killed program left under the temporary name is gone afterwards", () => {
    const path = join(folder, "table.db");
    fs.writeFileSync(`${path}.tmp`, "half of a longer table");
    const replacement = begin(path);
    replacement.write(Buffer.from("whole"), 0);
    replacement.commit();
    expect(fs.readFileSync(path, "utf8")).toBe("whole");
    expect(fs.readdirSync(folder)).toEqual(["table.db"]);
  });
});

test("two at the same time both come through, and the later one's content stays", () => {
  const path = join(folder, "table.db");
  const [first, second] = [replaceFile(path, { mode: 0o644 }), replaceFile(path, { mode: 0o644 })];
  first.write(Buffer.from("first"), 0);
  second.write(Buffer.from("second"), 0);
  first.commit();
  second.commit();
  expect(fs.readFileSync(path, "utf8")).toBe("second");
  expect(fs.readdirSync(folder)).toEqual(["table.db"]);
});
