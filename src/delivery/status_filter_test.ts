import { expect, test } from "bun:test";
import { createOpenTables } from "../rewrite/open_tables.ts";
import type { Agent, DeliveryJob, Outcome } from "./agent.ts";
import { withStatusFilter } from "./status_filter.ts";

/** What a filter makes of an outcome: `is status text`, and the warnings. */
async function after(table: string, status: string, text: string, parts?: readonly Outcome[]) {
  const warnings: string[] = [];
  const tables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: (warning) => warnings.push(warning),
    clock: () => 0,
  });
  const outcome = {
    ...outcomeOf(status, text),
    parts: parts?.map((each) => ({ address: "a", outcome: each })),
  };
  const agent: Agent = {
    program: "smtp",
    close: () => Promise.resolve(),
    deliver: () => Promise.resolve({ outcomes: [outcome], setup: 0, transmission: 0 }),
  };
  const maps = tables.maps(table, "smtp_delivery_status_filter")!;
  const filtered = withStatusFilter(agent, maps, (warning) => warnings.push(warning));
  const report = await filtered.deliver({} as DeliveryJob, new AbortController().signal);
  return {
    outcome: shown(report.outcomes[0]!),
    parts: report.outcomes[0]!.parts?.map((each) => shown(each.outcome)),
    warnings,
  };
}

function outcomeOf(status: string, text: string): Outcome {
  const action = status.startsWith("2") ? "relayed" : status.startsWith("4") ? "delayed" : "failed";
  const is = status.startsWith("2") ? "sent" : status.startsWith("4") ? "deferred" : "bounced";
  return { is, relay: "none", detail: { status, text, action } };
}

const shown = ({ is, detail: { status, text, action } }: Outcome) => `${is} ${action} ${status} ${text}`;

const SOFTER = "regexp:{{/^5\\.1\\.1 (.*)/ 4.1.1 softened $1},{/^4\\.2\\.0/ 5.2.0 hardened}}";

// As Postfix 3.7.11's smtp(8) has them.
test.each<[string, string, string, string]>([
  [SOFTER, "5.1.1", "no such user", "deferred delayed 4.1.1 softened no such user"],
  [SOFTER, "4.2.0", "later", "bounced failed 5.2.0 hardened"],
  [SOFTER, "5.1.2", "no such host", "bounced failed 5.1.2 no such host"],
  ["static:4.9.9", "5.1.1", "no such user", "deferred delayed 4.9.9 no such user"],
  ["regexp:{{/./ 2.1.5 fine too}}", "2.0.0", "250 ok", "sent relayed 2.1.5 fine too"],
])("%s: %s %s", async (table, status, text, want) => {
  expect(await after(table, status, text)).toEqual({ outcome: want, parts: undefined, warnings: [] });
});

test.each<[string, string]>([
  ["static:whatever", "5.1.1"],
  ["static:2.0.0", "5.1.1"],
  ["static:5.0.0", "2.0.0"],
])("%s changes no %s, with a warning", async (table, status) => {
  const { outcome, warnings } = await after(table, status, "text");
  expect(outcome).toBe(shown(outcomeOf(status, "text")));
  expect(warnings).toEqual([
    `smtp_delivery_status_filter: bad status code: ${table.slice("static:".length)}`,
  ]);
});

test("a table in trouble changes nothing, with a warning", async () => {
  const { outcome, warnings } = await after("fail:down", "5.1.1", "text");
  expect(outcome).toBe("bounced failed 5.1.1 text");
  expect(warnings.join()).toContain('fail:down lookup error for "5.1.1 text"');
});

test("each part of an expanded recipient is filtered too", async () => {
  const parts = [outcomeOf("5.1.1", "one"), outcomeOf("2.0.0", "two")];
  expect((await after(SOFTER, "5.1.1", "one", parts)).parts).toEqual([
    "deferred delayed 4.1.1 softened one",
    "sent relayed 2.0.0 two",
  ]);
});
