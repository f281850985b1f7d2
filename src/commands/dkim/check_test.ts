import { expect, test } from "bun:test";
import type { KeyReport } from "../../cleanup/signing/key_report.ts";
import { statusOf } from "./_check.ts";

const key = (published: KeyReport["published"], ...grave: readonly boolean[]): KeyReport => ({
  domain: "example.com",
  selector: "s1",
  file: "/k.pem",
  name: "s1._domainkey.example.com",
  record: undefined,
  algorithm: undefined,
  bits: undefined,
  published,
  problems: grave.map((grave) => ({ grave, text: "", fix: "" })),
});

test.each([
  ["published", 0, [key("published")]],
  ["missing", 1, [key("missing", true)]],
  ["no key at all", 1, []],
  ["the DNS does not answer", 2, [key("unknown", false)]],
  ["for others to read", 2, [key("unread", false)]],
  ["no good file", 1, [key("unread", true)]],
])(
  "mta dkim check: %s is status %i",
  (_what, status, keys) => expect(statusOf({ keys, problems: [], without: [], notes: [] })).toBe(status),
);
