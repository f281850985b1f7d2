import { expect, test } from "bun:test";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { ServiceEnd } from "./ending.ts";

function ending(within: number, hurry: boolean) {
  const clock = fakeClock();
  const end = new ServiceEnd(clock);
  end.begin(within, hurry);
  return { clock, end, state: () => [end.hurry.aborted, end.cut.aborted] };
}

test("an ending without a hurry gets into one before it is cut: who is left can still be told", async () => {
  const { clock, state } = ending(30_000, false);
  await clock.advance(27_999);
  expect(state()).toEqual([false, false]);
  await clock.advance(1);
  expect(state()).toEqual([true, false]);
  await clock.advance(2000);
  expect(state()).toEqual([true, true]);
});

test("a stop overtakes it", async () => {
  const { clock, end, state } = ending(30_000, false);
  end.begin(6000, true);
  expect(state()).toEqual([true, false]);
  await clock.advance(6000);
  expect(state()).toEqual([true, true]);
});

test("a stop is in a hurry at once", () => {
  expect(ending(6000, true).state()).toEqual([true, false]);
});
