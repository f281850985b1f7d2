import { SRS_DAYS } from "./srs_rules.ts";

const DAY = 86_400_000;
/** Base32 of RFC 4648 §6. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Two letters for the day, modulo 1024. `now` is in milliseconds since 1970. */
export function srsTimestamp(now: number): string {
  const day = Math.floor(now / DAY) % SRS_DAYS;
  return `${LETTERS[day >> 5]}${LETTERS[day & 31]}`;
}

/** How many days ago an address was made, below 1024; undefined when the text is no timestamp. One from tomorrow is very old. */
export function srsAge(stamp: string, now: number): number | undefined {
  if (!/^[A-Z2-7]{2}$/i.test(stamp)) return undefined;
  const [high, low] = [...stamp.toUpperCase()].map((letter) => LETTERS.indexOf(letter));
  const day = Math.floor(now / DAY) % SRS_DAYS;
  return (day - (high! * 32 + low!) + SRS_DAYS) % SRS_DAYS;
}
