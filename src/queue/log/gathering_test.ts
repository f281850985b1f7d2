import { expect, test } from "bun:test";
import { InputCount } from "../../platform/socket/input_count.ts";
import { Gathering } from "./gathering.ts";

/** A gathering with a clock and timers of its own. */
function world() {
  const input = new InputCount();
  const timers: (() => void)[] = [];
  const at = { now: 1000 };
  const gathering = new Gathering({
    input,
    now: () => at.now,
    after: (milliseconds, call) => {
      expect(milliseconds).toBe(1);
      timers.push(call);
      return () => {};
    },
    longest: 3,
  });
  const turns = async () => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Gathers; answers what the first turns came to and, when it rested, the rest. */
  const gather = async (asking: number) => {
    let isOver = false;
    const over = gathering.wait(() => asking).then(() => isOver = true);
    await turns();
    const rested = !isOver;
    timers.shift()?.();
    await over;
    return rested ? "after a moment" : "at once";
  };
  const speak = (connections: number) => {
    for (let i = 0; i < connections; i++) input.heard(-1);
  };
  return { input, at, gathering, gather, speak };
}

test("who is alone does not wait: neither at first nor after others who have spoken long ago", async () => {
  const { at, gather, speak, gathering } = world();
  speak(20);
  expect(await gather(1)).toBe("at once");
  expect(gathering.quiet).toBe(true);
  speak(20);
  at.now += 1000;
  expect(await gather(1)).toBe("at once");
});

test.each([
  { others: 4, asking: 1, what: "after a moment" },
  { others: 3, asking: 1, what: "at once" },
  { others: 4, asking: 7, what: "after a moment" },
  { others: 40, asking: 8, what: "at once" },
  { others: 40, asking: 0, what: "at once" },
])("with $others others at work since the last batch $asking messages are synced $what", async (row) => {
  const { gather, speak } = world();
  await gather(1);
  speak(row.others + row.asking);
  expect(await gather(row.asking)).toBe(row.what);
});

test("the moment is waited for once in a batch, and those who were at work before it do not count for the next", async () => {
  const { gather, speak } = world();
  await gather(1);
  speak(20);
  expect(await gather(1)).toBe("after a moment");
  expect(await gather(1)).toBe("at once");
});

test("a connection that speaks often counts once, one that has closed not at all", () => {
  const input = new InputCount();
  const first = input.heard(input.heard(-1));
  const second = input.heard(-1);
  expect([input.seen, input.speakers]).toEqual([3, 2]);
  input.closed(first);
  expect(input.speakers).toBe(1);
  input.countAnew();
  input.closed(second);
  input.closed(-1);
  expect([input.seen, input.speakers]).toEqual([3, 0]);
});
