import fs from "node:fs";

/** Reads standard input piece by piece until its end. */
export function* standardInput(): Generator<Buffer> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(1 << 16);
    let got: number;
    try {
      got = fs.readSync(0, chunk, 0, chunk.length, null);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") {
        Bun.sleepSync(5);
        continue;
      }
      if (code === "EOF") return;
      throw error;
    }
    if (got === 0) return;
    yield chunk.subarray(0, got);
  }
}

/** All of standard input. */
export function wholeStandardInput(): Buffer {
  return Buffer.concat([...standardInput()]);
}

/** Lines of standard input without their newlines; the last may lack its own. */
export function* standardInputLines(): Generator<Buffer> {
  let rest = Buffer.alloc(0);
  for (const chunk of standardInput()) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
      yield bytes.subarray(at, end);
      at = end + 1;
    }
    rest = Buffer.from(bytes.subarray(at));
  }
  if (rest.length > 0) yield rest;
}

/** Permission bits and owner of standard input when it is a plain file. */
export function standardInputFile(): fs.Stats | undefined {
  const stat = fs.fstatSync(0);
  return stat.isFile() ? stat : undefined;
}

/** Tells whether standard error is a terminal. */
export function errorIsTerminal(): boolean {
  return process.stderr.isTTY === true;
}
