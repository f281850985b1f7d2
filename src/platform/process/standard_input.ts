import fs from "node:fs";

/** Puts what comes next of standard input into the buffer; answers how many bytes that are, 0 at its end. */
export function readStandardInput(into: Uint8Array): number {
  for (;;) {
    try {
      return fs.readSync(0, into, 0, into.length, null);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(5);
    }
  }
}

/** Reads standard input piece by piece until its end. */
function* standardInput(): Generator<Buffer> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(1 << 16);
    const got = readStandardInput(chunk);
    if (got === 0) return;
    yield chunk.subarray(0, got);
  }
}

/** The same without standing still, for who has signals to answer meanwhile. */
export async function* standardInputAsItComes(): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = Buffer.allocUnsafe(1 << 16);
    const got = await readSome(chunk);
    if (got === 0) return;
    yield chunk.subarray(0, got);
  }
}

/** How long a descriptor that is not ready, and was left non-blocking by whoever had it before, is left alone, in milliseconds. */
const NOT_READY = 5;

function readSome(into: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const attempt = () =>
      fs.read(0, into, 0, into.length, null, (error, got) => {
        if (error === null) resolve(got);
        else if (error.code === "EAGAIN") setTimeout(attempt, NOT_READY);
        else reject(error);
      });
    attempt();
  });
}

/** All of standard input. */
export function wholeStandardInput(): Buffer {
  return Buffer.concat([...standardInput()]);
}

const NEWLINE = 10;

/** Standard input in pieces of whole lines; only the last may lack its newline. */
export function* standardInputBlocks(): Generator<Buffer> {
  let rest: Buffer[] = [];
  for (const chunk of standardInput()) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    rest.push(chunk.subarray(0, end > 0 ? end : chunk.length));
    if (end === 0) continue;
    yield rest.length === 1 ? rest[0]! : Buffer.concat(rest);
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** The lines of a piece, without their newlines. */
export function* linesOf(block: Buffer): Generator<Buffer> {
  for (let at = 0; at < block.length;) {
    const newline = block.indexOf(NEWLINE, at);
    const end = newline < 0 ? block.length : newline;
    yield block.subarray(at, end);
    at = end + 1;
  }
}

/** Lines of standard input without their newlines; the last may lack its own. */
export function* standardInputLines(): Generator<Buffer> {
  for (const block of standardInputBlocks()) yield* linesOf(block);
}

/** Permission bits and owner of standard input when it is a plain file. */
export function standardInputFile(): fs.Stats | undefined {
  const stat = fs.fstatSync(0);
  return stat.isFile() ? stat : undefined;
}
