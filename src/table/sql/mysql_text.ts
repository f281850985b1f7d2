import type { SqlColumn } from "../../platform/database/sql_client.ts";

/** Flags of a column. */
const UNSIGNED = 32;
const ZEROFILL = 64;

/** Type codes of the protocol whose values are binary in a prepared statement's result. */
const TYPE = {
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
} as const;

const INTEGERS: readonly number[] = [TYPE.tiny, TYPE.short, TYPE.long, TYPE.longlong, TYPE.int24, TYPE.year];

/**
 * A value of a prepared statement's result as the text that the same value has in the result of a plain one, which is what
 * Postfix sees.
 */
export function mysqlText(bytes: Uint8Array, column: SqlColumn): Uint8Array {
  const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = plainText(value, column);
  return text === undefined ? bytes : Buffer.from(text, "latin1");
}

function plainText(value: Buffer, column: SqlColumn): string | undefined {
  if (INTEGERS.includes(column.type)) return integerText(value, column);
  switch (column.type) {
    case TYPE.float:
      return value.length === 4 ? numberText(Number(value.readFloatLE().toPrecision(6))) : undefined;
    case TYPE.double:
      return value.length === 8 ? numberText(value.readDoubleLE()) : undefined;
    case TYPE.date:
      return dateText(value);
    case TYPE.datetime:
    case TYPE.timestamp:
      return `${dateText(value)} ${clockText(value, 4, value[4] ?? 0)}${
        fraction(value, 7, column.length - 20)
      }`;
    case TYPE.time:
      return timeText(value, column);
    default:
      return undefined;
  }
}

function integerText(value: Buffer, { type, flags, length }: SqlColumn): string {
  const unsigned = (flags & UNSIGNED) !== 0 || type === TYPE.year;
  const text = String(integerOf(value, unsigned));
  if (type === TYPE.year) return text.padStart(4, "0");
  return (flags & ZEROFILL) !== 0 ? text.padStart(length, "0") : text;
}

function integerOf(value: Buffer, unsigned: boolean): number | bigint {
  if (value.length === 8) return unsigned ? value.readBigUInt64LE() : value.readBigInt64LE();
  return unsigned ? value.readUIntLE(0, value.length) : value.readIntLE(0, value.length);
}

/** Exponents as the server writes them: `1e20`, from 15 digits before the point on, and for very small ones. */
function numberText(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const [mantissa, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  return power >= 15 || power < -14 ? `${mantissa}e${power}` : plainNumber(value);
}

function plainNumber(value: number): string {
  const text = String(value);
  return text.includes("e") ? value.toFixed(20).replace(/0+$/, "") : text;
}

const two = (number: number | undefined) => String(number ?? 0).padStart(2, "0");

function dateText(value: Buffer): string {
  const year = value.length >= 4 ? value.readUInt16LE() : 0;
  return `${String(year).padStart(4, "0")}-${two(value[2])}-${two(value[3])}`;
}

function clockText(value: Buffer, at: number, hours: number): string {
  return `${two(hours)}:${two(value[at + 1])}:${two(value[at + 2])}`;
}

/** Sign, days, hours, minutes, seconds, microseconds. */
function timeText(value: Buffer, { length }: SqlColumn): string {
  const days = value.length >= 5 ? value.readUInt32LE(1) : 0;
  const sign = value[0] === 1 ? "-" : "";
  return `${sign}${clockText(value, 5, days * 24 + (value[5] ?? 0))}${fraction(value, 8, length - 11)}`;
}

/** As many digits of the second's fraction as the column has. */
function fraction(value: Buffer, at: number, digits: number): string {
  if (digits < 1 || digits > 6) return "";
  const microseconds = value.length >= at + 4 ? value.readUInt32LE(at) : 0;
  return `.${String(microseconds).padStart(6, "0").slice(0, digits)}`;
}
