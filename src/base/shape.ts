/** Why a value from outside has not the shape that was asked for: where in it, and what belongs there. */
export class Misfit {
  constructor(readonly expected: string, readonly at: string = "") {}

  /** The same, seen from what the value is a part of. */
  within(key: string | number): Misfit {
    return new Misfit(this.expected, this.at === "" ? String(key) : `${key}.${this.at}`);
  }

  toString(): string {
    return this.at === "" ? `${this.expected} expected` : `${this.at}: ${this.expected} expected`;
  }
}

/** The check of what comes in at a door: answers the value as its type, with nothing in it that the type does not name. */
export type Shape<T> = (value: unknown) => T | Misfit;

/** A field of a record that may be left out. */
export interface Optional<T> {
  readonly optional: Shape<T>;
}

/** A shape for every field of a type: one that is added to the type and not here does not compile. */
export type FieldShapes<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? Optional<Exclude<T[K], undefined>>
    : Shape<T[K]>;
};

export function optional<T>(shape: Shape<T>): Optional<T> {
  return { optional: shape };
}

/** Text of at most so many characters. */
export function text(most: number): Shape<string> {
  return (value) =>
    typeof value === "string" && value.length <= most
      ? value
      : new Misfit(`text of at most ${most} characters`);
}

/** A value that a guard knows. */
export function known<T>(guard: (value: unknown) => value is T, expected: string): Shape<T> {
  return (value) => guard(value) ? value : new Misfit(expected);
}

export function integer(least: number, most: number): Shape<number> {
  const isOne = (value: unknown): value is number =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most;
  return known(isOne, `a whole number from ${least} to ${most}`);
}

/** A count: not negative. */
export const count: Shape<number> = integer(0, Number.MAX_SAFE_INTEGER);

export const finite: Shape<number> = known(
  (value): value is number => typeof value === "number" && Number.isFinite(value),
  "a number",
);

export const flag: Shape<boolean> = known((value) => typeof value === "boolean", "true or false");

export const nothing: Shape<null> = known((value) => value === null, "null");

/** One of these values. */
export function oneOf<const T extends string | number | boolean>(...values: readonly T[]): Shape<T> {
  const isOne = (value: unknown): value is T => values.some((each) => each === value);
  return known(isOne, values.map((each) => JSON.stringify(each)).join(" or "));
}

/** Null, or something. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return (value) => value === null ? null : shape(value);
}

/** A list of at most so many. */
export function list<T>(of: Shape<T>, most: number): Shape<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length > most) return new Misfit(`a list of at most ${most}`);
    const out: T[] = [];
    for (const [at, each] of value.entries()) {
      const part = of(each);
      if (part instanceof Misfit) return part.within(at);
      out.push(part);
    }
    return out;
  };
}

export function pair<A, B>(first: Shape<A>, second: Shape<B>): Shape<readonly [A, B]> {
  return (value) => {
    if (!Array.isArray(value) || value.length !== 2) return new Misfit("a list of two");
    const [a, b] = [first(value[0]), second(value[1])];
    if (a instanceof Misfit) return a.within(0);
    return b instanceof Misfit ? b.within(1) : [a, b];
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Named values of one kind, at most so many. */
export function dictionary<T>(of: Shape<T>, most: number): Shape<Readonly<Record<string, T>>> {
  return (value) => {
    if (!isObject(value)) return new Misfit("an object");
    const entries = Object.entries(value);
    if (entries.length > most) return new Misfit(`an object of at most ${most} values`);
    const out: [string, T][] = [];
    for (const [key, each] of entries) {
      const part = of(each);
      if (part instanceof Misfit) return part.within(key);
      out.push([key, part]);
    }
    return Object.fromEntries(out);
  };
}

/** An object with these fields; others are left behind, so that a newer program may say more. */
export function record<T extends object>(fields: FieldShapes<T>): Shape<T> {
  const shapes = Object.entries<Shape<unknown> | Optional<unknown>>(fields);
  return (value) => {
    if (!isObject(value)) return new Misfit("an object");
    const out: Record<string, unknown> = {};
    for (const [key, shape] of shapes) {
      const given = Object.hasOwn(value, key) ? value[key] : undefined;
      if (typeof shape !== "function" && given === undefined) continue;
      const part = (typeof shape === "function" ? shape : shape.optional)(given);
      if (part instanceof Misfit) return part.within(key);
      out[key] = part;
    }
    return out as T; // every field of T has been looked at
  };
}

/** One of several kinds of object, told by one of their fields. */
export function tagged<T extends { readonly [K in Tag]: string }, Tag extends string>(
  tag: Tag,
  cases: { readonly [Name in T[Tag]]: Shape<Extract<T, { readonly [K in Tag]: Name }>> },
): Shape<T> {
  const shapes = new Map<unknown, Shape<T>>(Object.entries<Shape<T>>(cases));
  const expected = [...shapes.keys()].join(", ");
  return (value) => {
    const shape = isObject(value) ? shapes.get(value[tag]) : undefined;
    return shape === undefined ? new Misfit(`${tag}: one of ${expected}`) : shape(value);
  };
}

/** The first of two shapes that fits. */
export function either<A, B>(first: Shape<A>, second: Shape<B>): Shape<A | B> {
  return (value) => {
    const found = first(value);
    return found instanceof Misfit ? second(value) : found;
  };
}

/** A shape that is not made yet: for what contains its own kind. */
export function later<T>(shape: () => Shape<T>): Shape<T> {
  return (value) => shape()(value);
}
