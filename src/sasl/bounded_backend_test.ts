import { expect, test } from "bun:test";
import { type AuthBackend, type AuthSession, type AuthStep, DIALOGUE_TEXTS } from "./auth_backend.ts";
import { boundedBackend } from "./bounded_backend.ts";

/** A back end whose answers come when the test says so. */
function slowBackend() {
  const answers: ((step: AuthStep) => void)[] = [];
  let aborted = 0;
  const backend: AuthBackend = {
    texts: DIALOGUE_TEXTS,
    offer: () => ({ is: "mechanisms", mechanisms: [] }),
    begin: () => ({
      step: () => new Promise((resolve) => answers.push(resolve)),
      abort: () => void aborted++,
    }),
    close: () => {},
  };
  return { backend, answers, aborted: () => aborted };
}

const session = (rank: 0 | 1 | 2 | undefined) => ({ rank }) as AuthSession;
const DONE: AuthStep = { is: "done", username: "ann" };
const TOO_MANY = {
  is: "failed",
  temporary: true,
  reason: "too many logins wait for the authentication server",
};

test("so many sessions wait for an answer, the next is told to come again, until one has his", async () => {
  const { backend, answers, aborted } = slowBackend();
  const bounded = boundedBackend(backend, 2);
  const ask = (rank: 0 | 1 | 2 | undefined) => bounded.begin("PLAIN", session(rank)).step(undefined);
  const first = ask(1);
  const second = ask(undefined);
  expect([ask(1), ask(2), ask(undefined)]).toEqual([TOO_MANY, TOO_MANY, TOO_MANY] as AuthStep[]);
  expect([answers.length, aborted()]).toEqual([2, 3]);
  answers[0]!(DONE);
  expect(await first).toEqual(DONE);
  const third = ask(2);
  expect(answers.length).toBe(3);
  answers.slice(1).forEach((answer) => answer(DONE));
  expect(await Promise.all([second, third])).toEqual([DONE, DONE]);
});

test("who comes from where somebody has logged in before is asked for all the same", async () => {
  const { backend, answers } = slowBackend();
  const bounded = boundedBackend(backend, 1);
  const first = bounded.begin("PLAIN", session(2)).step(undefined);
  const known = bounded.begin("PLAIN", session(0)).step(undefined);
  answers.forEach((answer) => answer(DONE));
  expect(await Promise.all([first, known])).toEqual([DONE, DONE]);
});

test("a question that fails gives its place up, and answers at once take none", async () => {
  const steps: (() => AuthStep | Promise<AuthStep>)[] = [
    () => Promise.reject(new Error("a bug")),
    () => DONE,
    () => Promise.resolve(DONE),
  ];
  const backend: AuthBackend = {
    ...slowBackend().backend,
    begin: () => ({ step: () => steps.shift()!(), abort: () => {} }),
  };
  const bounded = boundedBackend(backend, 1);
  const ask = async () => await bounded.begin("PLAIN", session(1)).step(undefined);
  await expect(ask()).rejects.toThrow("a bug");
  expect([await ask(), await ask()]).toEqual([DONE, DONE]);
});
