import { expect, test } from "bun:test";
import { readAddressList } from "./address_list.ts";

/** What Postfix 3.7 sendmail -t and its command line make of each (observed in its maildrop). */
const LISTS: readonly (readonly [string, readonly string[]])[] = [
  ['a@b (com, x@y), "q x"@z, <r@s>', ["a@b", "q x@z", "r@s"]],
  ["grp: m@n, o@p;, <@route:u@v>, bare, a b c, <>", ["m@n", "o@p", "@route:u@v", "bare", "a", "b", "c"]],
  ["a@b, c@d", ["a@b", "c@d"]],
  ["Foo Bar <e@f>", ["e@f"]],
  ['"Foo, bar" <e@f>', ["e@f"]],
  ["Foo Q. Bar <e@f>", ["e@f"]],
  ["", []],
  [",", []],
  ["<>", []],
  ["a b", ["a", "b"]],
  ['"a b"@c', ["a b@c"]],
  ["@r:a@b", ["@r:a@b"]],
  ["x!y", ["x!y"]],
  ["undisclosed:;", []],
  ["g: a@b;", ["a@b"]],
  ["(c) d@e", ["d@e"]],
  ["a@b c@d", ["a@b", "c@d"]],
  ["a@[192.0.2.1]", ["a@[192.0.2.1]"]],
  ["bob\n\t, ann@example.com", ["bob", "ann@example.com"]],
];

test.each(LISTS)("the addresses of %j", (text, addresses) => {
  expect(readAddressList(text) as string[]).toEqual([...addresses]);
});
