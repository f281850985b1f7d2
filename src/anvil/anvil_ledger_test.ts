import { expect, test } from "bun:test";
import fc from "fast-check";
import { createLog } from "../observe/create_log.ts";
import { memoryWriter } from "../observe/log_writer.ts";
import { type AnvilEvent, AnvilLedger } from "./anvil_ledger.ts";
import { ownAnvil, SharedAnvil } from "./anvil_access.ts";

function ledgerWithClock(unit = 60) {
  let now = 1_000_000_000;
  const ledger = new AnvilLedger(unit, () => now);
  return { ledger, pass: (ms: number) => void (now += ms) };
}

function statusLines(ledger: AnvilLedger): string[] {
  const writer = memoryWriter();
  ledger.logStatus(createLog({ syslogName: "postfix", writer }));
  return writer.entries.map(({ text }) => text);
}

test("connections count up and down, rates begin anew when a time unit is over", () => {
  const { ledger, pass } = ledgerWithClock();
  expect(ledger.connect(1, "smtp:192.0.2.1")).toEqual([1, 1]);
  expect(ledger.connect(1, "smtp:192.0.2.1")).toEqual([2, 2]);
  ledger.disconnect(1, "smtp:192.0.2.1");
  pass(60_000);
  expect(ledger.connect(1, "smtp:192.0.2.1")).toEqual([2, 3]); // the unit's last second
  pass(1000);
  expect(ledger.connect(1, "smtp:192.0.2.1")).toEqual([3, 1]);
  expect(ledger.count("mail", "smtp:192.0.2.1")).toBe(1);
  expect(ledger.count("mail", "smtp:192.0.2.1")).toBe(2);
  expect(ledger.count("recipient", "smtp:192.0.2.1")).toBe(1);
  expect(ledger.connect(1, "submission:192.0.2.1")).toEqual([1, 1]);
});

test("rates outlive the connection, until a time unit after the last one", () => {
  const { ledger, pass } = ledgerWithClock();
  ledger.connect(1, "smtp:192.0.2.1");
  ledger.count("auth", "smtp:192.0.2.1");
  ledger.disconnect(1, "smtp:192.0.2.1");
  pass(30_000);
  expect(ledger.connect(1, "smtp:192.0.2.1")).toEqual([1, 2]);
  expect(ledger.count("auth", "smtp:192.0.2.1")).toBe(2);
});

test("workers share one account, and the connections of one that died count no more", () => {
  const { ledger } = ledgerWithClock();
  for (let i = 0; i < 5; i++) ledger.connect(7, "smtp:192.0.2.1");
  expect(ledger.connect(8, "smtp:192.0.2.1")).toEqual([6, 6]);
  ledger.forget(7);
  expect(ledger.connect(8, "smtp:192.0.2.1")).toEqual([2, 7]);
  ledger.disconnect(7, "smtp:192.0.2.1");
  expect(ledger.connect(8, "smtp:192.0.2.1")).toEqual([3, 8]);
});

test("clients that have left do not grow the memory without bound, and those that are connected are never forgotten", () => {
  const { ledger } = ledgerWithClock();
  ledger.connect(1, "smtp:stays");
  for (let i = 0; i < 100_000; i++) {
    ledger.connect(1, `smtp:client${i}`);
    ledger.disconnect(1, `smtp:client${i}`);
  }
  expect(ledger.connect(1, "smtp:stays")).toEqual([2, 2]);
  expect(statusLines(ledger).at(-1)).toMatch(
    /^statistics: max cache size 6553\d at \w{3} [ \d]\d \d\d:\d\d:\d\d$/,
  );
});

test("clients that left a time unit ago are forgotten with the next one that leaves", () => {
  const { ledger, pass } = ledgerWithClock();
  const come = (name: string) => {
    ledger.connect(1, `smtp:${name}`);
    ledger.disconnect(1, `smtp:${name}`);
  };
  for (const name of ["a", "b", "c"]) come(name);
  pass(60_000);
  come("d");
  statusLines(ledger);
  pass(1000);
  come("e");
  statusLines(ledger);
  come("f");
  expect(statusLines(ledger).at(-1)).toStartWith("statistics: max cache size 3 at ");
});

test("status lines are anvil(8)'s, and begin anew", () => {
  const { ledger } = ledgerWithClock();
  ledger.connect(1, "smtp:192.0.2.50");
  for (const what of ["mail", "recipient", "newTls", "auth"] as const) ledger.count(what, "smtp:192.0.2.50");
  expect(statusLines(ledger).map((text) => text.replace(/ at .*/, ""))).toEqual([
    "statistics: max connection rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max connection count 1 for (smtp:192.0.2.50)",
    "statistics: max message rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max recipient rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max newtls rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max auth rate 1/60s for (smtp:192.0.2.50)",
    "statistics: max cache size 1",
  ]);
  expect(statusLines(ledger)).toEqual([]);
});

test("open connections are those that workers hold, whatever comes in which order", () => {
  const step = fc.tuple(
    fc.constantFrom("connect", "disconnect", "die", "mail", "wait"),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom("a", "b"),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { ledger, pass } = ledgerWithClock();
    const open = new Map<string, number>();
    const of = (worker: number, key: string) => open.get(`${worker} ${key}`) ?? 0;
    for (const [what, worker, key] of steps) {
      if (what === "connect") {
        open.set(`${worker} ${key}`, of(worker, key) + 1);
        expect(ledger.connect(worker, key)[0]).toBe(of(1, key) + of(2, key) + of(3, key));
      } else if (what === "disconnect") {
        open.set(`${worker} ${key}`, Math.max(0, of(worker, key) - 1));
        ledger.disconnect(worker, key);
      } else if (what === "die") {
        ["a", "b"].forEach((each) => open.delete(`${worker} ${each}`));
        ledger.forget(worker);
      } else if (what === "mail") ledger.count("mail", key);
      else pass(61_000);
    }
  }));
});

test("a worker tells of one turn's events in one message, and each hears its own counts", async () => {
  const { ledger } = ledgerWithClock();
  const messages: (readonly AnvilEvent[])[] = [];
  const shared = new SharedAnvil((events) => {
    messages.push(events);
    return Promise.resolve(ledger.take(1, events));
  });
  const first = shared.connect("smtp", "192.0.2.1");
  const second = shared.connect("smtp", "192.0.2.1");
  const mail = shared.count("mail", "smtp", "192.0.2.1");
  shared.disconnect("smtp", "192.0.2.1");
  expect(await first).toEqual({ count: 1, rate: 1 });
  expect(await second).toEqual({ count: 2, rate: 2 });
  expect(await mail).toBe(1);
  expect(messages).toEqual([[
    ["connect", "smtp:192.0.2.1"],
    ["connect", "smtp:192.0.2.1"],
    ["mail", "smtp:192.0.2.1"],
    ["disconnect", "smtp:192.0.2.1"],
  ]]);
  expect(await shared.connect("smtp", "192.0.2.1")).toEqual({ count: 2, rate: 3 });
});

test("when master does not answer any more nobody is over a limit", async () => {
  for (const silence of [Promise.reject(new Error("gone")), new Promise<never>(() => {})]) {
    const shared = new SharedAnvil(() => silence, 20);
    expect(await shared.connect("smtp", "192.0.2.1")).toEqual({ count: 0, rate: 0 });
    expect(await shared.count("mail", "smtp", "192.0.2.1")).toBe(0);
  }
});

test("a worker that is alone is answered at once", () => {
  const { ledger } = ledgerWithClock();
  const own = ownAnvil(ledger);
  expect(own.connect("smtp", "192.0.2.1")).toEqual({ count: 1, rate: 1 });
  expect(own.count("recipient", "smtp", "192.0.2.1")).toBe(1);
  own.disconnect("smtp", "192.0.2.1");
  expect(own.connect("smtp", "192.0.2.1")).toEqual({ count: 1, rate: 2 });
});
