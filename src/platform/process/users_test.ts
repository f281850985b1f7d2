import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { groupByName, userById, userByName } from "./users.ts";

test("users are those of the system's database, whatever field is asked for", () => {
  for (const line of readFileSync("/etc/passwd", "utf8").trim().split("\n")) {
    const [name, , uid, gid, gecos, home, shell] = line.split(":") as string[];
    expect(userByName(name!)).toEqual({
      name: name!,
      uid: Number(uid),
      gid: Number(gid),
      gecos: gecos!,
      home: home!,
      shell: shell!,
    });
  }
  expect(userById(0)!.name).toBe("root");
  expect(groupByName("root")!.gid).toBe(0);
});

test("a name that nobody has is absent, not trouble", () => {
  expect(userByName("no-such-user")).toBeUndefined();
  expect(userById(4_000_000_000)).toBeUndefined();
  expect(groupByName("no-such-group")).toBeUndefined();
});
