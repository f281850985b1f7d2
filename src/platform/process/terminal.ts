import fs from "node:fs";
import { writeErr } from "./this_process.ts";

/** Whether somebody types on standard input. */
export function isTypedIn(): boolean {
  return process.stdin.isTTY === true;
}

const [CTRL_C, CTRL_D, BACKSPACE, NEWLINE, RETURN, CTRL_U, DELETE] = [3, 4, 8, 10, 13, 21, 127];

/** A line that is being typed; its bytes are UTF-8. */
class TypedLine {
  #bytes: number[] = [];

  get text(): string {
    return Buffer.from(this.#bytes).toString("utf8");
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  add(byte: number): void {
    if (byte === CTRL_U) this.#bytes = [];
    else if (byte === BACKSPACE || byte === DELETE) this.#dropCharacter();
    else this.#bytes.push(byte);
  }

  #dropCharacter(): void {
    // A character's further bytes are 10xxxxxx.
    while (((this.#bytes.pop() ?? 0) & 0xc0) === 0x80);
  }
}

/** Asks for a secret on the terminal, which does not show it; undefined when the user gives up (^C, ^D). */
export function askHidden(prompt: string): string | undefined {
  writeErr(prompt);
  process.stdin.setRawMode(true);
  try {
    return readTyped();
  } finally {
    process.stdin.setRawMode(false);
    writeErr("\n");
  }
}

function readTyped(): string | undefined {
  const line = new TypedLine();
  const byte = Buffer.alloc(1);
  for (;;) {
    let got: number;
    try {
      got = fs.readSync(0, byte, 0, 1, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Bun.sleepSync(5);
      continue;
    }
    const code = byte[0]!;
    if (got === 0 || code === CTRL_C || (code === CTRL_D && line.isEmpty)) return undefined;
    if (code === NEWLINE || code === RETURN) return line.text;
    line.add(code);
  }
}
