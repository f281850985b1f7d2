import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import os from "node:os";
import { errnoText, systemError } from "./libc.ts";
import { errorCode, systemErrorText } from "./system_error.ts";

test("every errno of the system has the C library's words, by number and by the runtime's name for it", () => {
  const perl = spawnSync("perl", ["-e", 'for (1..133) { $! = $_; print "$!\\n" }'], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  const words = perl.stdout.trimEnd().split("\n");
  expect(words).toHaveLength(133);
  expect(words.map((_, k) => errnoText(k + 1))).toEqual(words);
  for (const [code, number] of Object.entries(os.constants.errno)) {
    const error = Object.assign(new Error(`${code}: something`), { code });
    expect([code, systemErrorText(error)]).toEqual([code, words[number - 1]!]);
  }
});

test("what is no system error speaks for itself", () => {
  expect(systemErrorText(new Error("bad file"))).toBe("bad file");
  expect(systemErrorText("words")).toBe("words");
  expect(systemErrorText(Object.assign(new Error("x"), { code: "ERR_SOMETHING" }))).toBe("x");
  expect(systemErrorText(Object.assign(new Error("x"), { code: "ENOTFOUND" }))).toBe(
    "Name or service not known",
  );
});

test("an error of a system call has the code and number of the runtime's own", () => {
  const error = systemError("connect", 113);
  expect([error.message, errorCode(error), error.errno]).toEqual([
    "connect: No route to host",
    "EHOSTUNREACH",
    113,
  ]);
});
