import { expect, test } from "bun:test";
import { checkUserLists } from "./check_user_lists.ts";

const found = (name: string, value: string) =>
  checkUserLists([{ name, value, file: "main.cf", line: 3 } as never]).map(({ text, hint }) => [text, hint]);

test("files and tables in lists of users are named, with what to write instead; names and static: are well", () => {
  expect(found("authorized_mailq_users", "ann, !bob, static:anyone")).toEqual([]);
  expect(found("relay_domains", "hash:/etc/x")).toEqual([]);
  for (const item of ["hash:/etc/x", "!/etc/users", "inline:{ann=1}"]) {
    expect(found("authorized_flush_users", `ann ${item}`)).toEqual([[
      `authorized_flush_users: files and tables are not looked into, and name nobody: ${item}`,
      "write the users' names, or static:anyone",
    ]]);
  }
});
