// Counts the bytes that searches, copies and conversions go over: whether a reader looks at anything twice shows here, on any machine.
type Counted = (this: unknown, ...args: never[]) => unknown;
type Cost = (self: unknown, args: readonly unknown[], result: unknown) => number;

const numberOr = (value: unknown, fallback: number) => typeof value === "number" ? value : fallback;
const lengthOf = (value: unknown) => (value as { readonly length: number }).length;

/** From where it was asked to look up to what it found. */
const search: Cost = (self, [, from], found) => {
  const start = numberOr(from, 0);
  return found === -1 || found === false ? Math.max(lengthOf(self) - start, 0) : Number(found) - start + 1;
};
const backwards: Cost = (self, _args, found) => lengthOf(self) - Number(found);
const conversion: Cost = (self, [, from, to]) =>
  Math.min(numberOr(to, lengthOf(self)), lengthOf(self)) - numberOr(from, 0);
const result: Cost = (_self, _args, made) => numberOr(made, 0);
const pattern: Cost = (self, [text], match) => {
  const { global, sticky, lastIndex } = self as RegExp;
  if (match === null) return lengthOf(text);
  const { index, 0: whole } = match as RegExpExecArray;
  return sticky ? whole.length : index + whole.length - (global ? Math.max(lastIndex - whole.length, 0) : 0);
};

const COSTS: readonly (readonly [object, string, Cost])[] = [
  [Buffer.prototype, "indexOf", search],
  [Buffer.prototype, "includes", (self) => lengthOf(self)],
  [Buffer.prototype, "lastIndexOf", backwards],
  [Buffer.prototype, "toString", conversion],
  [Buffer.prototype, "copy", result],
  [Buffer, "concat", (_self, _args, made) => lengthOf(made)],
  [RegExp.prototype, "exec", pattern],
  [String.prototype, "indexOf", search],
  [String.prototype, "lastIndexOf", backwards],
  [String.prototype, "split", (self) => lengthOf(self)],
];

/** Runs some work and answers how many bytes were gone over meanwhile. */
export async function bytesGoneOver(work: () => unknown): Promise<number> {
  let bytes = 0;
  const kept = COSTS.map(([owner, name, cost]) => {
    const table = owner as Record<string, Counted>;
    const original = table[name]!;
    table[name] = function (this: unknown, ...args: never[]) {
      const made = original.apply(this, args);
      bytes += cost(this, args, made);
      return made;
    };
    return () => void (table[name] = original);
  });
  try {
    await work();
  } finally {
    for (const restore of kept) restore();
  }
  return bytes;
}

/** Hands bytes out one by one, as a peer does that drips. */
export async function drip(text: string | Buffer, push: (piece: Buffer) => unknown): Promise<void> {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  // Each piece stands alone, as packets do.
  for (const byte of bytes) await push(Buffer.from([byte]));
}
