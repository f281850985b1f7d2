import { expect, test } from "bun:test";
import { getopt } from "./getopt.ts";

const read = (options: readonly (readonly [string, string?])[], rest: readonly string[]) => ({
  is: "read",
  options: options.map(([letter, argument]) => ({ letter, argument })),
  rest,
});

test.each<[args: string, found: unknown]>([
  ["", read([], [])],
  ["-f", read([["f"]], [])],
  ["-vfv x -f", read([["v"], ["f"], ["v"]], ["x", "-f"])],
  ["-c dir -cdir -vc -f", read([["c", "dir"], ["c", "dir"], ["v"], ["c", "-f"]], [])],
  ["-f -- -x", read([["f"]], ["-x"])],
  ["-f - -x", read([["f"]], ["-", "-x"])],
  ["-x", { is: "bad", why: "invalid option -- 'x'" }],
  ["-:", { is: "bad", why: "invalid option -- ':'" }],
  ["-fc", { is: "bad", why: "option requires an argument -- 'c'" }],
])("getopt() reads %p as getopt(3) does", (args, found) => {
  expect(getopt(args.split(" ").filter((word) => word !== ""), "c:fv")).toEqual(found as never);
});
