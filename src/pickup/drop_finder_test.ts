import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { drop, dropped } from "../../test/kit/drops.ts";
import { systemClock } from "../base/clock.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { BadDrops } from "./bad_drops.ts";
import { BoundedWarnings } from "./bounded_warnings.ts";
import { dropFolder } from "./drop/drop_folder.ts";
import { DropFinder } from "./drop_finder.ts";
import { until } from "../../test/kit/waiting.ts";

setDefaultTimeout(120_000);
let queue: string;
beforeEach(() => {
  queue = fs.mkdtempSync(join(os.tmpdir(), "mta-finder-"));
  fs.mkdirSync(dropFolder(queue));
});
afterEach(() => fs.rmSync(queue, { recursive: true, force: true }));

test("no drop comes before older ones by what it is called", async () => {
  drop(queue);
  const [first] = dropped(queue);
  const changed = (name: string) => fs.statSync(join(dropFolder(queue), name)).ctimeMs;
  let pushes: string | undefined;
  // The clock of a file system may be coarse.
  await until("a later time", () => {
    if (pushes !== undefined) fs.unlinkSync(join(dropFolder(queue), pushes));
    drop(queue, { time: 0 });
    pushes = dropped(queue)[0]!;
    return changed(pushes) > changed(first!);
  });
  const bad = new BadDrops(queue, new BoundedWarnings(memoryLog(), systemClock));
  const { names } = await new DropFinder(dropFolder(queue), bad, Date.now).look(() => true, () => true);
  expect(names).toEqual([first!, pushes!]);
});
