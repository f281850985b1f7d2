import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { fileSystemOf, mountOf } from "./file_system.ts";

const TABLE = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,barrier=0
40 27 0:44 / /var/spool/mail\\040queue rw,nosuid shared:1 - tmpfs tmpfs rw,size=1g
41 27 0:45 / /var rw - overlay overlay rw,lowerdir=/l,volatile
42 27 0:46 / /var ro - xfs /dev/vdb rw
`;

test.each([
  ["/etc", "/", "ext4", ["rw", "relatime", "barrier=0"]],
  ["/var/spool/mail queue/x", "/var/spool/mail queue", "tmpfs", ["rw", "nosuid", "size=1g"]],
  ["/var/lib", "/var", "xfs", ["ro", "rw"]],
  ["/variable", "/", "ext4", ["rw", "relatime", "barrier=0"]],
])("mountOf() finds what %s lies on", (path, mountedOn, kind, options) => {
  expect(mountOf(TABLE, path)).toEqual({ mountedOn, kind, options });
});

test("mountOf() knows nothing of a table that is none", () => {
  expect(mountOf("nonsense\n\n - x\n", "/")).toBeUndefined();
});

test("mountOf() takes any table, and finds nothing that does not hold the path", () => {
  const line = fc.tuple(fc.stringMatching(/^\/[a-z\\0-7]{0,8}$/), fc.string()).map(([where, rest]) =>
    `1 2 0:3 / ${where} rw - ext4 ${rest}`
  );
  fc.assert(fc.property(fc.array(fc.oneof(line, fc.string({ unit: "binary" }))), (lines) => {
    const found = mountOf(lines.join("\n"), "/a/b");
    const { mountedOn = "/" } = found ?? {};
    expect(mountedOn === "/" || mountedOn === "/a" || mountedOn === "/a/b").toBe(true);
  }));
});

test("fileSystemOf() tells kind and free space of a folder, and throws where there is none", () => {
  const found = fileSystemOf(tmpdir());
  expect(found.kind).toMatch(/^[a-z0-9.]+$/);
  expect(found.freeBytes).toBeGreaterThan(0);
  expect(() => fileSystemOf("/not/there")).toThrow("ENOENT");
});
