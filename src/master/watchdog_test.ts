import { expect, test } from "bun:test";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { Watchdog } from "./watchdog.ts";

function house() {
  const clock = fakeClock();
  const said: string[] = [];
  const state = { answers: true, killed: false };
  const process = {
    pid: 7,
    ask: () => {
      if (state.answers) watchdog.heard(process);
    },
    kill: () => void (state.killed = true),
  };
  const watchdog: Watchdog = new Watchdog({
    limit: 60_000,
    after: (milliseconds, call) => clock.after(milliseconds, call),
    watched: () => state.killed ? [] : [process],
    silent: (pid, seconds, ended) =>
      void said.push(`${pid} silent for ${seconds} s${ended ? ", ended" : ""}`),
    answersAgain: (pid) => void said.push(`${pid} again`),
  });
  watchdog.start();
  return { clock, said, state, watchdog };
}

test("a process that answers is left alone; one that stops is told of after a third of the limit, and killed at its end", async () => {
  const { clock, said, state } = house();
  await clock.advance(600_000);
  expect(said).toEqual([]);
  state.answers = false;
  await clock.advance(30_000);
  expect(said).toEqual(["7 silent for 20 s"]);
  await clock.advance(30_000);
  expect(state.killed).toBe(false);
  await clock.advance(10_000);
  expect([said.at(-1), state.killed]).toEqual(["7 silent for 60 s, ended", true]);
});

test("a process that answers again is told of and lives", async () => {
  const { clock, said, state } = house();
  state.answers = false;
  await clock.advance(40_000);
  state.answers = true;
  await clock.advance(600_000);
  expect([said, state.killed]).toEqual([["7 silent for 20 s", "7 again"], false]);
});

test("a machine that was suspended kills nobody, however long it was: what counts is questions", async () => {
  const clock = fakeClock();
  let [killed, call] = [false, () => {}];
  const process = { pid: 7, ask: () => {}, kill: () => void (killed = true) };
  const watchdog = new Watchdog({
    limit: 60_000,
    after: (_milliseconds, next) => (call = next, () => {}),
    watched: () => [process],
    silent: () => {},
    answersAgain: () => {},
  });
  watchdog.start();
  call();
  await clock.advance(86_400_000);
  call();
  expect(killed).toBe(false);
});
