import { expect, test } from "bun:test";
import fc from "fast-check";
import type { QueueListing, QueueName } from "../store.ts";
import type { QueueId } from "../envelope.ts";
import { takeFilter } from "./filter_options.ts";
import { patternTest } from "./pattern.ts";
import { queueFilter } from "./queue_filter.ts";
import { wanted } from "./wanted.ts";

const NOW = 1_000_000_000;

interface Row {
  readonly from?: string;
  readonly to?: readonly (string | readonly [address: string, status: string])[];
  readonly queue?: QueueName;
  readonly expired?: boolean;
  readonly age?: number;
}

function listing({ from = "ann@example.org", to = ["bob@example.com"], queue = "deferred", ...row }: Row) {
  return {
    id: "4XYZ" as QueueId,
    queue,
    arrival: NOW - (row.age ?? 0) * 1000,
    size: 1,
    sender: from,
    forcedExpire: row.expired ?? false,
    recipients: to.map((each) =>
      typeof each === "string" ? { address: each } : { address: each[0], why: "because", status: each[1] }
    ),
  } satisfies QueueListing;
}

/** Whether a store that is given what the words mean lists the message. */
function lists(words: string, row: Row): boolean {
  const taken = takeFilter(words.split(" "));
  if ("mistake" in taken) throw new Error(taken.mistake);
  const { queues, before, matches } = wanted(taken.filter ?? {}, NOW);
  const message = listing(row);
  return queues?.includes(message.queue) !== false && message.arrival <= (before ?? Infinity) &&
    matches?.(message) !== false;
}

const CASES: readonly (readonly [words: string, row: Row, is: boolean])[] = [
  ["--from ann@example.org", {}, true],
  ["--from=ANN@Example.ORG", {}, true],
  ["--from <ann@example.org>", {}, true],
  ["--from ann@example.com", {}, false],
  ["--from nn@example.org", {}, false],
  ["--from ann@*", {}, true],
  ["--from @example.org", {}, true],
  ["--from @example.or", {}, false],
  ["--from *nn*ex*", {}, true],
  ["--from *spam*", {}, false],
  ["--from bob@example.com,ann@example.org", {}, true],
  ["--from bob@example.com --from ann@example.org", {}, true],
  ["--from <>", {}, false],
  ["--from <>", { from: "" }, true],
  ["--from MAILER-DAEMON", { from: "" }, true],
  ["--from *@*", { from: "" }, false],
  ['--from "a\\"b"@example.org', { from: 'a"b@example.org' }, true],
  ["--from jürgen@bücher.example", { from: "JÜRGEN@xn--bcher-kva.example" }, true],
  ["--from jürgen@xn--bcher-kva.example", { from: "jürgen@BÜCHER.example" }, true],
  ["--to bob@example.com", {}, true],
  ["--to bob@example.com", { to: ["carl@example.com", "Bob@example.com"] }, true],
  ["--to bob@example.com", { to: ["carl@example.com"] }, false],
  ["--to @example.com", { to: [] }, false],
  ["--domain example.com", {}, true],
  ["--domain @example.com", {}, true],
  ["--domain .example.com", {}, false],
  ["--domain .example.com", { to: ["bob@a.b.example.com"] }, true],
  ["--domain example.com", { to: ["bob@a.example.com"] }, false],
  ["--domain BÜCHER.example", { to: ["bob@xn--bcher-kva.example"] }, true],
  ["--domain .bücher.example", { to: ["bob@mail.xn--bcher-kva.example"] }, true],
  ["--domain [192.0.2.1]", { to: ["bob@[192.0.2.1]"] }, true],
  ["--status deferred", {}, true],
  ["--status hold", {}, false],
  ["--status hold,deferred", {}, true],
  ["--status expired", {}, false],
  ["--status expired", { expired: true, queue: "active" }, true],
  ["--status hold,expired", { expired: true, queue: "active" }, true],
  ["--status hold,expired", { queue: "active" }, false],
  ["--status 4.7", { to: [["bob@example.com", "4.7.1"]] }, true],
  ["--status 4.7.1", { to: [["bob@example.com", "4.7.1"]] }, true],
  ["--status 4.7.1", { to: [["bob@example.com", "4.7.10"]] }, false],
  ["--status 4", {}, false],
  ["--older-than 60", { age: 60 }, true],
  ["--older-than 1m", { age: 59 }, false],
  ["--older-than 1d", { age: 86401 }, true],
  ["--from @example.org --domain example.com --status deferred", {}, true],
  ["--from @example.org --domain example.net --status deferred", {}, false],
  ["", {}, true],
];

test("takeFilter() and wanted() mean the messages that the words say", () => {
  for (const [words, row, is] of CASES) expect([words, row, lists(words, row)]).toEqual([words, row, is]);
});

const MISTAKES: readonly (readonly [words: readonly string[], says: string])[] = [
  [["--from"], "option --from needs a value"],
  [["--to="], "option --to needs a value"],
  [["--from", "ann"], 'bad value of --from: "ann": an address'],
  [["--to", "ann@"], 'bad value of --to: "ann@": a domain'],
  [["--domain", "a@b"], 'bad value of --domain: "a@b": a domain'],
  [["--status", "late"], 'bad value of --status: "late": incoming, active'],
  [["--status", "4.7.1000"], "bad value of --status"],
  [["--older-than", "soon"], 'bad value of --older-than: "soon": a time: 90s'],
  [["--older-than", "-1h"], "bad value of --older-than"],
  [["--to", "a@b,".repeat(100) + "a@b"], "too many values of --to: at most 100"],
  [["--to", `${"a".repeat(5000)}@b`], "the filter is too long: at most 4096 characters"],
];

test("takeFilter() says what is wrong with a value and what belongs there", () => {
  for (const [words, says] of MISTAKES) {
    const taken = takeFilter(words);
    expect("mistake" in taken ? taken.mistake : "").toStartWith(says);
  }
});

test("takeFilter() leaves the other words, and what follows --", () => {
  const taken = takeFilter(["-c", "/etc/x", "--from", "a@b", "-p", "--", "--to", "x"]);
  expect(taken).toEqual({ filter: { from: ["a@b"] }, rest: ["-c", "/etc/x", "-p", "--", "--to", "x"] });
  expect(takeFilter(["-p"])).toEqual({ filter: undefined, rest: ["-p"] });
});

test("a filter passes its own check at the door", () => {
  const taken = takeFilter("--from a@b,@c --domain .d --status hold,4.1 --older-than 1h --to *".split(" "));
  if ("mistake" in taken) throw new Error(taken.mistake);
  expect(queueFilter(JSON.parse(JSON.stringify(taken.filter)))).toEqual(taken.filter!);
});

test("patternTest() agrees with a regular expression", () => {
  const short = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  fc.assert(
    fc.property(short, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 }), (pattern, text) => {
      const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(text);
      expect(patternTest(pattern)(text)).toBe(expected);
    }),
  );
});
