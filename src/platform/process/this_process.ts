import fs from "node:fs";

/** Writes all bytes to a descriptor, looping over short writes; console.log would hide errors. EAGAIN waits. */
export function writeFully(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Bun.sleepSync(1);
    }
  }
}

/** Writes to standard output. */
export function writeOut(data: string | Uint8Array): void {
  writeFully(1, data);
}

/** Writes to standard error. */
export function writeErr(data: string | Uint8Array): void {
  writeFully(2, data);
}

/** Whether a person sees what is written to a descriptor. */
export function isTerminal(fd: 1 | 2): boolean {
  return (fd === 1 ? process.stdout : process.stderr).isTTY === true;
}

/** Environment variable, or undefined. */
export function environment(name: string): string | undefined {
  return process.env[name];
}

/** The name this program was called by, without its folder. */
export function calledAs(): string {
  const name = process.argv0;
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The arguments after the program's name, decoded as UTF-8. */
export function programArguments(): string[] {
  return process.argv.slice(2);
}

/** The arguments as bytes, for keys that need not be UTF-8. */
export function rawArguments(): Uint8Array[] {
  const bytes = fs.readFileSync("/proc/self/cmdline");
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    out.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return out.slice(1);
}

/** Ends the process at once. */
export function exit(code: number): never {
  process.exit(code);
}

/** All environment variables. */
export function environmentVariables(): Record<string, string | undefined> {
  return { ...process.env };
}
