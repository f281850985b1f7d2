import { expect, test } from "bun:test";
import { type CheckResult, ok, problem, STATUS_OF, warning, worstOf } from "./check_result.ts";
import { printResults, resultsJson } from "./print_results.ts";

const RESULTS: readonly CheckResult[] = [
  ok("clock", "is kept to the true time"),
  warning(
    "queue",
    "/var/spool/mta is on tmpfs: its messages are gone when the machine stops, though they were accepted",
    {
      fix: "put queue_directory on a disk",
    },
  ),
  problem("SPF", "example.com has no SPF record", {
    fix: "publish one",
    record:
      'example.com. TXT "v=spf1 ip4:203.0.113.5 ip4:203.0.113.6 ip6:2001:db8::25 include:_spf.example.net -all"',
  }),
];

test("printResults() has a line or a few for each, a record in one line, and what they come to", () => {
  expect(printResults(RESULTS)).toBe(
    `ok       clock is kept to the true time
WARNING  queue /var/spool/mta is on tmpfs: its messages are gone when the
               machine stops, though they were accepted
               fix: put queue_directory on a disk
PROBLEM  SPF   example.com has no SPF record
               fix: publish one
               publish:
  example.com. TXT "v=spf1 ip4:203.0.113.5 ip4:203.0.113.6 ip6:2001:db8::25 include:_spf.example.net -all"
1 ok, 1 warning, 1 problem
`,
  );
});

test("many findings of one check are counted, so that the rest can be seen", () => {
  const text = printResults(Array.from({ length: 30 }, (_, at) => warning("tables", `table ${at}`)));
  expect(text.split("\n")).toHaveLength(9);
  expect(text).toContain("and 24 more (--json has all)");
  expect(text).toEndWith("0 ok, 30 warnings, no problem\n");
});

test("a long finding is cut, and JSON has it whole", () => {
  const long = [problem("relayhost", "word ".repeat(2000))];
  expect(printResults(long).length).toBeLessThan(900);
  expect(resultsJson(long).length).toBeGreaterThan(10_000);
});

test("what a server says does not reach the terminal as it is", () => {
  expect(printResults([ok("relayhost", "says \x1b[2J\r\nhi")])).toStartWith(
    "ok       relayhost says ?[2J??hi\n",
  );
});

test("the exit status is that of the worst", () => {
  expect([[], RESULTS.slice(0, 1), RESULTS.slice(0, 2), RESULTS].map((each) => STATUS_OF[worstOf(each)]))
    .toEqual([0, 0, 1, 2]);
  expect(JSON.parse(resultsJson(RESULTS))).toEqual({ worst: "problem", results: RESULTS });
});
