import { expect, test } from "bun:test";
import { accept, defer, printReply, refusalWith, refuse, type Reply, replyText, softened } from "./reply.ts";

test("a reply whose two codes disagree does not compile", () => {
  // @ts-expect-error 450 is no code that refuses for good
  refuse(450, "5.1.1", "User unknown");
  // @ts-expect-error a status of the other class
  refuse(550, "4.1.1", "User unknown");
  // @ts-expect-error a status that accepts
  defer(450, "2.1.1", "Try again");
  // @ts-expect-error 550 is no code that asks to try later
  defer(550, "4.1.1", "Try again");
  // @ts-expect-error 354 has no status that refuses
  accept(354, "5.0.0", "Go on");
  // @ts-expect-error no code at all
  refuse(600, "5.1.1", "User unknown");
  // @ts-expect-error a number that may be anything
  refuse(550 as number, "5.1.1", "User unknown");
  // @ts-expect-error the same, put together by hand
  const byHand: Reply = { code: 450, status: "5.1.1", lines: ["User unknown"] };
  // @ts-expect-error no status
  refuse(550, "5.1", "User unknown");
  expect(byHand.code).toBe(450);
  expect([refuse(550, "5.1.1", "User unknown"), refuse(550, undefined, "User unknown")].map(replyText))
    .toEqual([
      "550 5.1.1 User unknown",
      "550 User unknown",
    ]);
});

test.each<[number, string, string | undefined]>([
  [550, "5.1.1", "550 5.1.1 no"],
  [450, "5.1.1", "450 4.1.1 no"],
  [554, "4.7.0", "554 5.7.0 no"],
  [521, "2.0.0", "521 5.0.0 no"],
  [499, "4.0.0", "499 4.0.0 no"],
  [250, "5.1.1", undefined],
  [600, "5.1.1", undefined],
  [399, "4.1.1", undefined],
  [450.5, "4.1.1", undefined],
  [550, "5.1", undefined],
  [550, "3.1.1", undefined],
  [550, "5.1.1111", undefined],
])("a configured %d with status %s is %s", (code, status, want) => {
  const made = refusalWith(code, status, "no");
  expect(made === undefined ? undefined : replyText(made)).toBe(want);
});

test("soft_bounce turns what refuses for good into what refuses for now, and nothing else", () => {
  const replies = [
    refuse(554, "5.7.1", "no"),
    refuse(501, undefined, "Syntax"),
    defer(450, "4.1.1", "later"),
    accept(250, "2.0.0", "Ok"),
  ];
  expect(replies.map(softened).map(replyText)).toEqual([
    "454 4.7.1 no",
    "401 Syntax",
    "450 4.1.1 later",
    "250 2.0.0 Ok",
  ]);
});

test("a reply of several lines is printed as RFC 5321 §4.2.1 has it, and nothing ends it early", () => {
  expect(printReply(accept(250, undefined, "mail.example.com", "SIZE"))).toBe(
    "250-mail.example.com\r\n250 SIZE\r\n",
  );
  expect(printReply(refuse(550, "5.7.1", "a\r\n250 ok", "b"))).toBe(
    "550-5.7.1 a  250 ok\r\n550 5.7.1 b\r\n",
  );
});
