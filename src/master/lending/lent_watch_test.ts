import { expect, test } from "bun:test";
import { fakeClock } from "../../../test/kit/memory/fake_clock.ts";
import { LentWatch } from "./lent_watch.ts";

const identity = (size: number) => ({
  device: 1,
  inode: 1,
  size,
  mtime: size,
  ctime: size,
  links: 1,
  isFile: true,
});

function watched(files: Map<string, number>) {
  const clock = fakeClock();
  const changes: string[] = [];
  const identityOf = (path: string) => {
    const size = files.get(path);
    if (size === undefined) throw new Error("ENOENT");
    return identity(size);
  };
  const watch = new LentWatch(
    { identityOf, after: (ms, call) => clock.after(ms, call) },
    (paths) => void changes.push(...paths),
  );
  watch.follow(new Map([...files].map(([name, size]) => [name, identity(size)])));
  return { watch, clock, changes };
}

test("a file that has changed and lies still is told once", async () => {
  const files = new Map([["/a", 1], ["/b", 1]]);
  const { clock, changes } = watched(files);
  await clock.advance(60_000);
  expect(changes).toEqual([]);
  files.set("/b", 2);
  await clock.advance(2000);
  expect(changes).toEqual([]);
  await clock.advance(2000);
  expect(changes).toEqual(["/b"]);
  await clock.advance(60_000);
  expect(changes).toEqual(["/b"]);
});

test("a file that is being written, or is away, is waited for", async () => {
  const files = new Map([["/a", 1]]);
  const { clock, changes } = watched(files);
  for (let size = 2; size < 6; size++) {
    files.set("/a", size);
    await clock.advance(2000);
  }
  files.delete("/a");
  await clock.advance(60_000);
  expect(changes).toEqual([]);
  files.set("/a", 9);
  await clock.advance(4000);
  expect(changes).toEqual(["/a"]);
});

test("nothing is looked at without files, or after the stop", async () => {
  const { watch, clock, changes } = watched(new Map([["/a", 1]]));
  watch.stop();
  await clock.advance(60_000);
  expect(changes).toEqual([]);
});
