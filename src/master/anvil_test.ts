import { expect, test } from "bun:test";
import { createLog } from "../observe/create_log.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import { WorkerAnvil } from "./anvil.ts";

function anvils(count: number) {
  let now = 1_000_000;
  const all = Array.from({ length: count }, () => new WorkerAnvil(60, { now: () => now }));
  const gossip = () => {
    const told = all.map((each) => each.takeChanges());
    all.forEach((each, at) => told.forEach((deltas, from) => from !== at && each.hear(from, deltas)));
  };
  return { all, gossip, pass: (ms: number) => void (now += ms) };
}

test("connections count up and down, rates begin anew with each time unit", () => {
  const { all: [anvil], pass } = anvils(1);
  expect(anvil!.connect("smtp", "192.0.2.1")).toEqual({ count: 1, rate: 1 });
  expect(anvil!.connect("smtp", "192.0.2.1")).toEqual({ count: 2, rate: 2 });
  anvil!.disconnect("smtp", "192.0.2.1");
  pass(60_000);
  expect(anvil!.connect("smtp", "192.0.2.1")).toEqual({ count: 2, rate: 1 });
  expect(anvil!.mail("smtp", "192.0.2.1")).toBe(1);
  expect(anvil!.recipient("smtp", "192.0.2.2")).toBe(1);
});

test("workers know of each other's clients after they have talked", () => {
  const { all: [one, two], gossip } = anvils(2);
  one!.connect("smtp", "192.0.2.1");
  one!.mail("smtp", "192.0.2.1");
  gossip();
  expect(two!.connect("smtp", "192.0.2.1")).toEqual({ count: 2, rate: 2 });
  expect(two!.mail("smtp", "192.0.2.1")).toBe(2);
  one!.disconnect("smtp", "192.0.2.1");
  gossip();
  expect(two!.connect("smtp", "192.0.2.1").count).toBe(2);
});

test("nothing is told twice, and nothing when nothing happened", () => {
  const { all: [one] } = anvils(1);
  one!.connect("smtp", "192.0.2.1");
  expect(one!.takeChanges()).toEqual([["smtp:192.0.2.1", 1, 1, 0, 0]]);
  expect(one!.takeChanges()).toEqual([]);
});

test("the connections of a worker that died count no more", () => {
  const { all: [one, two], gossip } = anvils(2);
  for (let i = 0; i < 5; i++) one!.connect("smtp", "192.0.2.1");
  gossip();
  two!.forget(0);
  expect(two!.connect("smtp", "192.0.2.1").count).toBe(1);
});

test("many clients do not grow the memory without bound", () => {
  const { all: [anvil] } = anvils(1);
  for (let i = 0; i < 25_000; i++) anvil!.connect("smtp", `client${i}`);
  const writer = memoryWriter();
  anvil!.logStatus(createLog({ syslogName: "postfix", writer }));
  expect(writer.entries.at(-1)!.text).toMatch(
    /^statistics: max cache size 10000 at \w{3} [ \d]\d \d\d:\d\d:\d\d$/,
  );
});

test("status lines are anvil(8)'s, and begin anew", () => {
  const { all: [anvil] } = anvils(1);
  anvil!.connect("smtp", "192.0.2.50");
  anvil!.mail("smtp", "192.0.2.50");
  const writer = memoryWriter();
  const log = createLog({ syslogName: "postfix", writer });
  anvil!.logStatus(log);
  expect(writer.entries.map(({ text }) => text.replace(/ at .*/, ""))).toEqual([
    "statistics: max connection rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max connection count 1 for (smtp:192.0.2.50)",
    "statistics: max message rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max cache size 1",
  ]);
  anvil!.logStatus(log);
  expect(writer.entries).toHaveLength(4);
});
