// CPU seconds of a process and all its descendants, the finished ones included, from /proc.
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;

interface Stat {
  readonly parent: number;
  /** Own user and system time. */
  readonly own: number;
  /** Of children that have been waited for. */
  readonly children: number;
}

function stats(): Map<number, Stat> {
  const all = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      all.set(Number(name), {
        parent: Number(fields[1]),
        own: Number(fields[11]) + Number(fields[12]),
        children: Number(fields[13]) + Number(fields[14]),
      });
    } catch { /* gone meanwhile */ }
  }
  return all;
}

/** Process ids of a tree, its root first. */
export function processTree(root: number): number[] {
  const all = stats();
  const tree = [root];
  for (let i = 0; i < tree.length; i++) {
    for (const [pid, { parent }] of all) if (parent === tree[i]) tree.push(pid);
  }
  return tree;
}

/** CPU seconds spent so far by the tree under `root`. */
export function cpuSeconds(root: number): number {
  const all = stats();
  let ticks = 0;
  for (const pid of processTree(root)) {
    const stat = all.get(pid);
    if (stat !== undefined) ticks += stat.own + stat.children;
  }
  return ticks / TICKS_PER_SECOND;
}

/** Proportional set size of the tree in MiB: what it really costs, shared pages divided. */
export function pssMebibytes(root: number): number {
  let kilobytes = 0;
  for (const pid of processTree(root)) {
    try {
      const match = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
      kilobytes += Number(match?.[1] ?? 0);
    } catch { /* gone meanwhile */ }
  }
  return kilobytes / 1024;
}
