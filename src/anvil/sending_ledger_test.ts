import { expect, test } from "bun:test";
import { SendingLedger } from "./sending_ledger.ts";

const NONE = {
  user_daily_message_limit: 0,
  user_daily_new_recipient_limit: 0,
  user_daily_recipient_limit: 0,
  user_hourly_message_limit: 0,
  user_hourly_new_recipient_limit: 0,
  user_hourly_recipient_limit: 0,
};

function trial(more: Partial<typeof NONE>) {
  let now = 1_000_000_000;
  const ledger = new SendingLedger({ ...NONE, ...more }, () => now);
  const send = (recipients: readonly string[], user = "ann@example.com") =>
    ledger.take({ user, messages: 1, recipients });
  return { ledger, send, pass: (seconds: number) => void (now += seconds * 1000) };
}

test("messages are counted by hour and day, and the first one too many is told of once", () => {
  const { send, pass, ledger } = trial({ user_hourly_message_limit: 2, user_daily_message_limit: 4 });
  expect([send(["a"]), send(["a"])]).toEqual([{}, {}]);
  expect(send(["a"])).toEqual({ over: "3, user_hourly_message_limit is 2", first: true });
  expect(send(["a"])).toEqual({ over: "4, user_hourly_message_limit is 2", first: false });
  expect(send(["a"], "bob@example.com")).toEqual({});
  pass(3600);
  expect(send(["a"])).toEqual({ over: "5, user_daily_message_limit is 4", first: true });
  ledger.release("ann@example.com");
  expect(send(["a"])).toEqual({});
});

test("recipients are counted, and those who are new to the user by themselves", () => {
  const { send, pass } = trial({ user_hourly_recipient_limit: 5, user_daily_new_recipient_limit: 3 });
  expect(send(["a", "b", "c"])).toEqual({});
  expect(send(["a", "b", "c"])).toMatchObject({ over: "6, user_hourly_recipient_limit is 5" });
  pass(3600);
  expect(send(["a", "b", "c"])).toEqual({});
  expect(send(["d"])).toMatchObject({ over: "4, user_daily_new_recipient_limit is 3" });
});

test("nothing is too much without limits, and users by the million take a bounded memory", () => {
  const { send } = trial({});
  const before = process.memoryUsage().heapUsed;
  for (let turn = 0; turn < 300_000; turn++) expect(send([`r${turn}`], `user${turn}`)).toEqual({});
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(150_000_000);
});
