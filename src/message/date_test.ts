import { expect, test } from "bun:test";
import { compactDate, localZone, mailDate, mboxDate } from "./date.ts";

const AT = Date.UTC(2026, 10, 25, 1, 54, 39);
const UTC = { minutes: 0, name: "UTC" };

test("mailDate() writes the zone as number and name", () => {
  expect(mailDate(AT, UTC)).toBe("Wed, 25 Nov 2026 01:54:39 +0000 (UTC)");
  expect(mailDate(AT, { minutes: -330, name: "X" })).toBe("Tue, 24 Nov 2026 20:24:39 -0530 (X)");
  expect(mailDate(Date.UTC(2026, 0, 2), { minutes: 60, name: "CET" })).toBe(
    "Fri,  2 Jan 2026 01:00:00 +0100 (CET)",
  );
});

test("mailDate() answers the same for each moment of a second, in local time", () => {
  expect(mailDate(AT)).toBe(mailDate(AT, localZone(AT)));
  expect(mailDate(AT + 999)).toBe(mailDate(AT));
  expect(mailDate(AT + 1000)).not.toBe(mailDate(AT));
});

test("mboxDate() is ctime(3)'s form", () => {
  expect(mboxDate(AT, UTC)).toBe("Wed Nov 25 01:54:39 2026");
  expect(mboxDate(Date.UTC(2026, 10, 5), UTC)).toBe("Thu Nov  5 00:00:00 2026");
});

test("compactDate() is fourteen digits", () => {
  expect(compactDate(AT, UTC)).toBe("20261125015439");
});
