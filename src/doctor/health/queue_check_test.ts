import { describe, expect, test } from "bun:test";
import type { FileSystem } from "../../platform/file/folder/file_system.ts";
import { checkQueue, type NoLook, type QueueFacts, sizeText } from "./queue_check.ts";

const DISK: FileSystem = { kind: "ext4", options: ["rw"], mountedOn: "/", freeBytes: 5e9, freeFiles: 1000 };
const GOOD: QueueFacts = { path: "/var/spool/mta", fileSystem: DISK, sync: 812.4, reserve: 15e6 };

function told(
  facts: Partial<Omit<QueueFacts, "fileSystem">>,
  disk: Partial<FileSystem> | NoLook = {},
): string[] {
  const fileSystem = "why" in disk ? disk : { ...DISK, ...disk };
  return checkQueue({ ...GOOD, fileSystem, ...facts }).map(({ severity, found, fix }) =>
    `${severity}: ${found}${fix === undefined ? "" : ` | ${fix}`}`
  );
}

describe("checkQueue()", () => {
  test("has nothing against a disk with room", () => {
    expect(told({})).toEqual([
      "ok: /var/spool/mta is on ext4, a sync takes 812.4 microseconds, 5 GB are free",
    ]);
  });

  test.each([
    [{ kind: "tmpfs", mountedOn: "/run" }, "in memory: tmpfs (mounted on /run)", "on a disk"],
    [{ kind: "overlay" }, "in a container's own layer", "docker run -v mail:/var/spool/mta"],
    [{ kind: "nfs4" }, "is another machine's: nfs4", "a disk of this machine"],
    [{ kind: "fuse.sshfs" }, "is another machine's: fuse.sshfs", "a disk of this machine"],
    [{ options: ["rw", "barrier=0"] }, "with barrier=0: a loss of power loses", "without that option"],
  ])("warns of %o", (disk, found, fix) => {
    const [only, ...more] = told({}, disk);
    expect(more).toEqual([]);
    expect(only).toStartWith("warning: ");
    expect(only).toContain(found);
    expect(only).toContain(fix);
  });

  test("does not believe a sync that no disk could do, unless the queue is in memory, which is told anyway", () => {
    expect(told({ sync: 0.4 })[0]).toMatch(
      /^warning: a sync .* takes 0.4 microseconds: no disk is that quick.*libeatmydata/,
    );
    expect(told({ sync: 0.4 }, { kind: "tmpfs" })).toHaveLength(1);
    expect(told({ sync: 850_000 })[0]).toMatch(
      /^warning: a sync .* takes 850 milliseconds: every message waits/,
    );
  });

  test("tells of a folder that is not there, cannot be written to, or is for others", () => {
    const gone = { why: "No such file or directory", denied: false };
    expect(told({}, gone)[0]).toMatch(/^problem: .*: No such file or directory \| queue_directory has to be/);
    expect(told({ sync: { why: "Read-only file system", denied: false } })[0])
      .toMatch(/^problem: .*: Read-only file system \| queue_directory has to be/);
    expect(told({ sync: { why: "Permission denied", denied: true } }))
      .toEqual([
        "warning: /var/spool/mta: Permission denied: only its owner can look at it | run it as root, or as mail_owner",
      ]);
  });

  test.each([
    [61e6, 1000, "ok: "],
    [59e6, 1000, "warning: only 59 MB are free, and 15 MB are kept free (queue_minfree, "],
    [15e6, 1000, "problem: mail is refused: 15 MB are free"],
    [5e9, 0, "problem: no file can be made any more (inodes)"],
  ])("with %d bytes and %d files free says what becomes of mail", (freeBytes, freeFiles, begin) => {
    expect(told({}, { freeBytes, freeFiles })[0]).toStartWith(begin);
  });
});

test.each([[0, "0 bytes"], [999, "999 bytes"], [1500, "1.5 kB"], [25e6, "25 MB"], [4e13, "40 TB"]])(
  "sizeText(%d)",
  (bytes, text) => expect(sizeText(bytes)).toBe(text),
);
