import { spawn } from "node:child_process";
import fs from "node:fs";
import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { libc, systemError } from "../libc.ts";
import { signalNumber } from "./signals.ts";
import { errorCode, systemErrorText } from "../system_error.ts";

/** A program to run with a message on its standard input. */
export interface CommandOptions {
  /** Program and arguments; the program is searched in the environment's PATH. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** Milliseconds; then it and its children are killed. */
  readonly timeLimit: number;
  /** Only root can name another than itself. */
  readonly identity?: { readonly uid: number; readonly gid: number };
}

/** How a command ended. */
export type CommandEnd =
  | { readonly is: "exit"; readonly code: number; readonly output: string }
  | { readonly is: "signal"; readonly signal: number; readonly output: string }
  | { readonly is: "time limit" }
  /** It could not be started. */
  | { readonly is: "not started"; readonly code: string; readonly why: string };

/** Bytes of output that are kept; the rest is read and dropped. */
const OUTPUT = 4096;

const open = () => libc({ memfd_create: { args: ["cstring", "u32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/**
 * A file in memory with the message in it, its position at the start. As standard input it can be read through /dev/stdin, and
 * a command that does not read it holds nobody up; a socket pair can do neither.
 */
async function inputFile(message: AsyncIterable<Uint8Array>): Promise<number> {
  const fd = (calls ??= open()).memfd_create(Buffer.from("message\0"), 1);
  if (fd < 0) throw systemError("memfd_create");
  let size = 0;
  try {
    for await (const piece of message) {
      for (let at = 0; at < piece.length;) at += fs.writeSync(fd, piece, at, piece.length - at, size + at);
      size += piece.length;
    }
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** Runs a command to its end. Rejects only when the message cannot be read. */
export async function runCommand(
  options: CommandOptions,
  message: AsyncIterable<Uint8Array>,
): Promise<CommandEnd> {
  const input = await inputFile(message);
  try {
    return await run(options, input);
  } finally {
    fs.closeSync(input);
  }
}

function run(options: CommandOptions, input: number): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const output = new GatheredBytes();
    let late = false;
    let child: ReturnType<typeof spawn>;
    try {
      child = spawn(options.argv[0]!, options.argv.slice(1), {
        cwd: options.directory,
        env: { ...options.environment },
        stdio: [input, "pipe", "pipe"],
        detached: true,
        ...options.identity,
      });
    } catch (error) {
      return resolve({ is: "not started", code: errorCode(error), why: systemErrorText(error) });
    }
    const killAll = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It is gone already.
      }
    };
    const timer = setTimeout(() => {
      late = true;
      killAll();
    }, Math.min(options.timeLimit, 86_400_000));
    const collect = (chunk: Buffer) => {
      output.add(chunk.subarray(0, OUTPUT - output.length));
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ is: "not started", code: errorCode(error), why: systemErrorText(error) });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const text = output.bytes.toString("utf8");
      if (late) resolve({ is: "time limit" });
      else if (signal !== null) resolve({ is: "signal", signal: signalNumber(signal), output: text });
      else resolve({ is: "exit", code: code ?? 0, output: text });
    });
  });
}
