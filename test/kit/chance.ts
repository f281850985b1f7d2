// Chance whose seed a run prints and `MTA_SEED` gives again. (fast-check prints and takes seeds of its own.)
import { basename } from "node:path";

export interface Chance {
  /** From 0 to less than 1, as Math.random(). */
  random(): number;
  bytes(count: number): Buffer;
}

const SEED = Number(process.env.MTA_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A file's chance; a line of the output names the seed. */
export function chanceOf(file: string): Chance {
  console.log(`# ${basename(file)}: MTA_SEED=${SEED}`);
  let state = SEED;
  // A counter whose every step is scattered over all bits (Steele and Vigna's 32-bit finalizer).
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    random: () => next() / 2 ** 32,
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => next() & 0xff)),
  };
}
