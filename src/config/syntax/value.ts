import type { ParameterRow } from "../parameters/parameter.ts";

/** A value in its own type, or Postfix's complaint and what would be right. */
export type Checked =
  | { readonly is: "good"; readonly value: string | number | boolean }
  | { readonly is: "bad"; readonly text: string; readonly expected: string };

const bad = (text: string, expected: string): Checked => ({ is: "bad", text, expected });
const good = (value: string | number | boolean): Checked => ({ is: "good", value });

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const LARGEST_INT = 2_147_483_647;
const LARGEST_LONG = 9_223_372_036_854_775_807n;
const BLANKS_AND_SIGN = "[ \\t\\n\\v\\f\\r]*([+-]?)";
const WHOLE_NUMBER = new RegExp(`^${BLANKS_AND_SIGN}(\\d+)$`);
const TIME = new RegExp(`^(?:${BLANKS_AND_SIGN}(\\d+))?(.?)`, "s");

/** Range of a row in its base unit: `1..`, `..10`, `200..599`; `len` and `non-empty` count characters. */
interface Range {
  readonly min: number | undefined;
  readonly max: number | undefined;
}

function rangeOf(range: string | undefined): Range {
  if (range === "non-empty") return { min: 1, max: undefined };
  const match = /^(?:len )?(\d*)\.\.(\d*)$/.exec(range ?? "..");
  if (match === null) throw new Error(`Cannot read the range "${range}"`);
  const bound = (text: string) => text === "" ? undefined : Number(text);
  return { min: bound(match[1]!), max: bound(match[2]!) };
}

function rangeText({ min, max }: Range, unit = ""): string {
  if (min !== undefined && max !== undefined) return ` from ${min}${unit} to ${max}${unit}`;
  if (min !== undefined) return `, at least ${min}${unit}`;
  return max === undefined ? "" : `, at most ${max}${unit}`;
}

function checkBool(name: string, text: string): Checked {
  if (/^yes$/i.test(text)) return good(true);
  if (/^no$/i.test(text)) return good(false);
  return bad(`bad boolean configuration: ${name} = ${text}`, '"yes" or "no"');
}

function checkNumber(name: string, text: string, row: ParameterRow): Checked {
  const range = rangeOf(row.range);
  const expected = `a whole number${row.type === "size" ? " of bytes, without unit" : ""}${rangeText(range)}`;
  const match = WHOLE_NUMBER.exec(text);
  if (match === null) return bad(`bad numerical configuration: ${name} = ${text}`, expected);
  const value = match[1] === "-" ? -Number(match[2]) : Number(match[2]);
  const tooLarge = row.type === "size"
    ? BigInt(match[2]!) > LARGEST_LONG
    : value > LARGEST_INT || value < -LARGEST_INT - 1;
  if (tooLarge) return bad(`bad numerical configuration: ${name} = ${text}`, expected);
  const { min, max } = range;
  if (min !== undefined && value < min) {
    return bad(`invalid ${name} parameter value ${value} < ${min}`, expected);
  }
  if (max !== undefined && value > max) {
    return bad(`invalid ${name} parameter value ${value} > ${max}`, expected);
  }
  return good(Object.is(value, -0) ? 0 : value);
}

/**
 * Seconds of a time value; undefined when it is none. Only the first letter of a unit counts, and a unit alone is 0
 * (postconf(5)).
 */
export function parseTime(text: string, defaultUnit: string): number | undefined {
  if (text === "") return undefined;
  const [, sign, digits = "0", letter = ""] = TIME.exec(text)!;
  const unit = SECONDS[letter === "" ? defaultUnit : letter];
  const number = Number(digits);
  if (unit === undefined || number > LARGEST_INT || (sign === "-" && number > 0)) return undefined;
  return unit > 1 && number >= Math.trunc(LARGEST_INT / unit) ? undefined : number * unit;
}

function checkTime(name: string, text: string, row: ParameterRow, defaultUnit: string): Checked {
  const range = rangeOf(row.range);
  const expected = `a whole number with a unit (s, m, h, d, w; without one: ${defaultUnit})` +
    rangeText(range, "s");
  const seconds = parseTime(text, defaultUnit);
  if (seconds === undefined) return bad(`parameter ${name}: bad time value or unit: ${text}`, expected);
  const { min, max } = range;
  if (min !== undefined && seconds < min) return bad(`invalid ${name}: ${seconds} (min ${min})`, expected);
  if (max !== undefined && seconds > max) return bad(`invalid ${name}: ${seconds} (max ${max})`, expected);
  return good(seconds);
}

function checkText(name: string, text: string, row: ParameterRow): Checked {
  const { min, max } = rangeOf(row.range);
  const length = Buffer.byteLength(text);
  if (min !== undefined && length < min) {
    return bad(
      `bad string length ${length} < ${min}: ${name} = ${text}`,
      min === 1 ? "a value that is not empty" : `${min} characters`,
    );
  }
  if (max !== undefined && length > max) {
    return bad(
      `bad string length ${length} > ${max}: ${name} = ${text}`,
      `${max} character${max === 1 ? "" : "s"}`,
    );
  }
  return good(text);
}

/** The unit of times without one: the first letter in the expanded built-in default (postconf(5)). */
export function unitOf(expandedDefault: string): string {
  return /[a-z]/i.exec(expandedDefault)?.[0] ?? "s";
}

/** Reads an expanded value by its row; `defaultUnit` is asked for only when a time lacks its unit. */
export function checkValue(
  name: string,
  text: string,
  row: ParameterRow,
  defaultUnit: () => string,
): Checked {
  switch (row.type) {
    case "bool":
      return checkBool(name, text);
    case "int":
    case "size":
      return checkNumber(name, text, row);
    case "time":
      return checkTime(name, text, row, defaultUnit());
    default:
      return checkText(name, text, row);
  }
}
