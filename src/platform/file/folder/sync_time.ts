import fs from "node:fs";
import { openNameless } from "../nameless_file.ts";

const PAGE = 4096;
const TIMES = 9;

/**
 * How long it takes in a folder until 4 KiB are said to be on stable storage (fdatasync(2)), in microseconds: the middle one of several
 * times. Nothing is left behind; throws the system's error where nothing can be written.
 */
export function syncTime(folder: string): number {
  const fd = openNameless(folder) ?? openUnlinked(folder);
  try {
    const times: number[] = [];
    for (let at = 0; at < TIMES; at++) times.push(timeOf(fd, at));
    return times.sort((a, b) => a - b)[TIMES >> 1]!;
  } finally {
    fs.closeSync(fd);
  }
}

/** Other bytes in another place each time, so that there is something to write. */
function timeOf(fd: number, at: number): number {
  fs.writeSync(fd, crypto.getRandomValues(Buffer.alloc(PAGE)), 0, PAGE, at * PAGE);
  const began = performance.now();
  fs.fdatasyncSync(fd);
  return 1000 * (performance.now() - began);
}

function openUnlinked(folder: string): number {
  const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  const name = `${folder}/sync-${process.pid}-${crypto.randomUUID()}`;
  const fd = fs.openSync(name, O_RDWR | O_CREAT | O_EXCL, 0o600);
  fs.unlinkSync(name);
  return fd;
}
