// Programs of an unprivileged local user, for tests that run as root.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A user that owns nothing: nobody. */
export const NOBODY = { uid: 65_534, gid: 65_534 };

/** A running program of a user. */
export interface UsersProgram {
  readonly pid: number;
  /** Resolves with the next line that it prints and that matches; rejects when it ends without. */
  said(pattern: RegExp): Promise<string>;
  /** Kills it, and waits until it has gone. */
  end(): Promise<void>;
}

/** Runs a script (JavaScript, with `connect` and `args`) in this runtime as a user without any right. */
export function runAsUser(
  script: string,
  args: readonly string[],
  identity: { readonly uid: number; readonly gid: number } = NOBODY,
): UsersProgram {
  const head = `const { connect } = require("node:net"); const args = ${JSON.stringify(args)};`;
  const child: ChildProcess = spawn(process.env.TEST_RUNTIME ?? process.execPath, [
    "--no-install",
    "-e",
    `${head}\n${script}`,
  ], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "inherit"],
    ...identity,
  });
  const lines: string[] = [];
  let [ended, wake] = [false, () => {}];
  createInterface({ input: child.stdout! }).on("line", (line) => (lines.push(line), wake()));
  // Not at its exit: what it said last may still be on its way.
  const gone = new Promise<void>((done) => child.on("close", () => (ended = true, done(), wake())));
  return {
    pid: child.pid!,
    async said(pattern) {
      for (;;) {
        const at = lines.findIndex((line) => pattern.test(line));
        if (at >= 0) return lines.splice(0, at + 1).at(-1)!;
        if (ended) throw new Error(`ended without saying ${pattern}`);
        await new Promise<void>((done) => wake = done);
      }
    },
    async end() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
