import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/hostile_text.ts";
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
