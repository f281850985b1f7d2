import { expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { systemClock } from "../base/clock.ts";
import { BadDrops } from "./bad_drops.ts";
import { BoundedWarnings } from "./bounded_warnings.ts";
import { dropFolder } from "./drop/drop_folder.ts";

test("a folder that was quick enough to be taken for a drop does not stay in custody", () => {
  const queue = fs.mkdtempSync(join(os.tmpdir(), "mta-bad-"));
  const log = memoryLog();
  const warnings = new BoundedWarnings(log, systemClock);
  try {
    fs.mkdirSync(dropFolder(queue));
    fs.mkdirSync(join(queue, "custody/FULL/inner"), { recursive: true });
    fs.mkdirSync(join(queue, "custody/EMPTY"));
    const bad = new BadDrops(queue, warnings);
    for (const id of ["FULL", "EMPTY"]) {
      bad.takeAway(join(queue, "custody", id), id, 9, "it is no plain file");
    }
    expect(fs.readdirSync(join(queue, "custody"))).toEqual([]);
    expect(fs.readdirSync(dropFolder(queue))).toEqual(["FULL"]);
    const what = "uid=9: dropped mail is not taken: it is no plain file";
    expect(log.lines).toEqual([
      `pickup: warning: FULL: ${what}; put back`,
      `pickup: warning: EMPTY: ${what}; removed`,
    ]);
  } finally {
    warnings.close();
    fs.rmSync(queue, { recursive: true });
  }
});
