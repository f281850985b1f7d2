import { describe, expect, test } from "bun:test";
import { countOf, failuresOf } from "./junit_report.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" assertions="1" failures="2" skipped="1" time="0.01">
  <testsuite name="a_test.ts" file="a_test.ts" tests="4" assertions="1" failures="2" skipped="1" time="0.007" hostname="h">
    <testcase name="says &lt;no&gt;" classname="a server" time="0.005" file="a_test.ts" line="2" assertions="1">
      <failure type="AssertionError" message="Expected: 2&#10;">AssertionError: Expected: 2&#10;Received: &quot;1&quot;&#10;</failure>
    </testcase>
    <testcase name="passes" classname="" time="0.000034" file="a_test.ts" line="3" assertions="0" />
    <testcase name="takes too long" classname="" time="30.1" file="a_test.ts" line="4" assertions="0">
      <failure type="TimeoutError" message="timed out"/>
    </testcase>
    <testcase name="not here" classname="" time="0" file="a_test.ts" line="5" assertions="0">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`;

describe("a report of tests", () => {
  test("is counted", () => expect(countOf(REPORT)).toEqual({ passed: 1, failed: 2, skipped: 1 }));

  test("names what failed, where and why", () =>
    expect(failuresOf(REPORT)).toEqual([
      {
        file: "a_test.ts",
        line: "2",
        test: "a server > says <no>",
        text: 'AssertionError: Expected: 2\nReceived: "1"',
      },
      { file: "a_test.ts", line: "4", test: "takes too long", text: "timed out" },
    ]));
});
