import { BESIDE, holdsAt, kindOf, OP, type Program } from "./program.ts";

/** Where groups begin and end: two numbers a group, -1 for one that took no part. Group 0 is the whole match. */
export type Captures = Int32Array;

interface Thread {
  readonly pc: number;
  readonly captures: Captures;
}

/** Which of several matches at the leftmost place: the longest (POSIX), or the one that the pattern prefers (Perl). */
export type Preference = "longest" | "first";

/** Finds the match with its groups by stepping all threads together: linear in the text, whatever the pattern. */
export function findByThreads(
  program: Program,
  subject: string,
  preference: Preference,
): Captures | undefined {
  const { code } = program;
  const seen = new Int32Array(code.length).fill(-1);
  let best: Captures | undefined;
  let threads: Thread[] = [];

  const add = (list: Thread[], start: number, captures: Captures, at: number): void => {
    const stack: Thread[] = [{ pc: start, captures }];
    const before = at === 0 ? BESIDE.edge : kindOf(subject.charCodeAt(at - 1));
    const after = kindAfter(subject, at);
    for (let thread = stack.pop(); thread !== undefined; thread = stack.pop()) {
      const { pc, captures: taken } = thread;
      if (seen[pc] === at) continue;
      seen[pc] = at;
      const { op, x, y, place } = code[pc]!;
      if (op === OP.jump) stack.push({ pc: x, captures: taken });
      else if (op === OP.split) stack.push({ pc: y, captures: taken }, { pc: x, captures: taken });
      else if (op === OP.save) stack.push({ pc: pc + 1, captures: saved(taken, x, at) });
      else if (op === OP.place) {
        if (holdsAt(place!, before, after)) stack.push({ pc: pc + 1, captures: taken });
      } else list.push(thread);
    }
  };

  for (let at = 0; at <= subject.length; at++) {
    if (best === undefined) add(threads, 0, new Int32Array(2 * (program.groups + 1)).fill(-1), at);
    if (threads.length === 0) {
      if (best !== undefined) break;
      continue;
    }
    const next: Thread[] = [];
    const byte = at < subject.length ? subject.charCodeAt(at) : -1;
    for (const { pc, captures } of threads) {
      if (best !== undefined && captures[0]! > best[0]!) continue;
      const { op, set } = code[pc]!;
      if (op === OP.match) {
        if (best === undefined || captures[0]! < best[0]! || captures[1]! > best[1]!) best = captures;
        if (preference === "first") break;
      } else if (byte >= 0 && set![byte] === 1) add(next, pc + 1, captures, at + 1);
    }
    threads = next;
  }
  return best;
}

function kindAfter(subject: string, at: number): number {
  if (at >= subject.length) return BESIDE.edge;
  const code = subject.charCodeAt(at);
  return code === 10 && at === subject.length - 1 ? BESIDE.finalNewline : kindOf(code);
}

function saved(captures: Captures, slot: number, at: number): Captures {
  const copy = captures.slice();
  copy[slot] = at;
  return copy;
}
