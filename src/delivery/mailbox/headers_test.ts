import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import { topLines } from "./headers.ts";

test("topLines() are the four lines whatever the addresses", () => {
  fc.assert(fc.property(hostileText, hostileText, (sender, recipient) => {
    fc.pre(recipient !== ""); // an empty one leaves its lines out
    const lines = topLines({ fromLine: true, sender, time: 0, original: recipient, delivered: recipient });
    expect(lines).toMatch(
      /^From [^\r\n\0]+\nReturn-Path: <[^\r\n\0]*>\nX-Original-To: [^\r\n\0]+\nDelivered-To: [^\r\n\0]+\n$/,
    );
  }));
});

test("topLines() leave out the recipient that there is none of, and name MAILER-DAEMON for the null sender", () => {
  expect(topLines({ fromLine: true, sender: "", time: 0, original: "", delivered: "" }))
    .toBe("From MAILER-DAEMON  Thu Jan  1 00:00:00 1970\nReturn-Path: <>\n");
  expect(
    topLines({ fromLine: false, sender: "a@b.example", time: 0, original: "x@y.example", delivered: "" }),
  )
    .toBe("Return-Path: <a@b.example>\nX-Original-To: x@y.example\n");
});
