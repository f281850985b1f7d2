import type { QueueId } from "./envelope.ts";

/** Digits without vowels, so that no word comes out (enable_long_queue_ids, postconf(5)). */
const DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
const SECONDS_BITS = 20;
const LONG = 1 << 20;

/**
 * An id as three 32-bit numbers, which is how the index keeps it. Short form: `a` is 0. Long form: `a` holds the seconds and
 * `b` a mark beside the microseconds. `c` stands where Postfix has the inode number.
 */
export interface IdParts {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

function encode(value: number, base: number, width: number): string {
  let text = "";
  for (; value > 0; value = Math.floor(value / base)) text = DIGITS[value % base] + text;
  return text.padStart(width, "0");
}

function decode(text: string, base: number): number {
  let value = 0;
  for (const digit of text) value = value * base + DIGITS.indexOf(digit);
  return value;
}

/** Prints an id: short (5 hex digits of microseconds, 7 of number) or long (base 52 time, `z`, base 51 number). */
export function printQueueId({ a, b, c }: IdParts): QueueId {
  const text = (b & LONG) === 0
    ? b.toString(16).padStart(5, "0").toUpperCase() + c.toString(16).padStart(7, "0").toUpperCase()
    : `${encode(a, 52, 6)}${encode(b & ~LONG, 52, 4)}z${encode(c, 51, 1)}`;
  return text as QueueId;
}

function parseLong(text: string): IdParts | undefined {
  const match =
    /^([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{6})([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{4})z([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+)$/
      .exec(text);
  if (match === null) return undefined;
  const [a, micros, c] = [decode(match[1]!, 52), decode(match[2]!, 52), decode(match[3]!, 51)];
  if (micros >= 1_000_000 || a > 0xffffffff || c > 0xffffffff) return undefined;
  const parts = { a, b: micros | LONG, c };
  return printQueueId(parts) === text ? parts : undefined;
}

/** Reads an id of either form; undefined for what we never hand out, so no two texts mean one message. */
export function parseQueueId(text: string): IdParts | undefined {
  if (!/^[0-9A-F]{12}$/.test(text)) return parseLong(text);
  const b = Number.parseInt(text.slice(0, 5), 16);
  return b < 1_000_000 ? { a: 0, b, c: Number.parseInt(text.slice(5), 16) } : undefined;
}

/** Largest shard number that fits an id. */
export const MAX_SHARD = 255;

/** Where ids get time, chance and place from. */
export interface IdSourceOptions {
  readonly shard: number;
  /** Whether ids are long ones; asked for each. */
  readonly long: () => boolean;
  readonly now: () => number;
  readonly random: () => number;
  /** Whether a message with this id is in the queue. */
  readonly taken: (id: QueueId) => boolean;
}

/**
 * Hands out ids. Every id holds a microsecond that this source never used before and the shard's number, so two workers cannot
 * meet. The short form has room for 12 days of seconds: an older message still in the queue is seen by `taken`. Where that does not
 * know all messages yet, ids have to be long: they hold a number by chance beside the time, also when the clock was set back.
 */
export function queueIdSource({ shard, long, now, random, taken }: IdSourceOptions): () => QueueId {
  let last = 0;
  const place = ((random() & 0xfffff) + 0x10000) * 256 + shard;
  const next = (): QueueId => {
    last = Math.max(last + 1, Math.floor(now()) * 1000 + random() % 1000);
    const seconds = Math.floor(last / 1_000_000);
    const micros = last % 1_000_000;
    return printQueueId(
      long()
        ? { a: seconds, b: micros | LONG, c: place }
        : { a: 0, b: micros, c: (seconds % (1 << SECONDS_BITS)) * 256 + shard },
    );
  };
  return () => {
    for (;;) {
      const id = next();
      if (!taken(id)) return id;
    }
  };
}
