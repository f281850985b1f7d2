import { isUtf8 } from "node:buffer";
import { parseAliasLine } from "./alias_line.ts";
import { foldingOf } from "./fold.ts";
import { ALIAS_SUSPICION, aliasSuspicion, NO_VALUE, notUtf8, splitKeyValue } from "./key_value.ts";
import { logicalLines } from "./source_lines.ts";
import type { Possible } from "../table.ts";

/** A record of a source, with the line where it began. */
export interface SourceRecord {
  readonly value: string;
  readonly line: number;
}

/** How to read a source and what to do with what is odd in it. */
export interface SourceReading {
  readonly format: "map" | "alias" | "auto";
  readonly fold: boolean;
  readonly encoding: "utf8" | "latin1";
  /** Hears what is wrong, with its place: `FILE, line 3: ...`. */
  readonly warn: (text: string) => void;
  /** Hears of a key that is there already, folded and as it is written; the first one stays. */
  readonly duplicate: (key: string, line: number, written: string) => void;
  /** The text is the table itself: nobody has heard from postmap what is odd in it, so that is said as texthash says it. */
  readonly isTable?: boolean;
}

/** In an alias file every first word ends with a colon; in a map hardly any does. */
function looksLikeAliases(bytes: Buffer): boolean {
  let aliases = 0;
  let others = 0;
  logicalLines(bytes, (line, start, end) => {
    const split = splitKeyValue(line, start, end);
    if (typeof split !== "string" && aliasSuspicion(line, split.keyEnd) !== undefined) aliases++;
    else others++;
  }, () => {});
  return aliases > 0 && aliases > others;
}

/** Reads a whole source into a map of folded keys, as the index made from it would answer. `name` is for messages. */
export function readSource(bytes: Buffer, name: string, reading: SourceReading): Map<string, SourceRecord> {
  const records = new Map<string, SourceRecord>();
  const alias = reading.format === "auto" ? looksLikeAliases(bytes) : reading.format === "alias";
  const fold = foldingOf(reading);
  const each = (line: Buffer, start: number, end: number, number: number) => {
    const pair = alias ? aliasPair(line, start, end, reading) : mapPair(line, start, end, reading);
    const odd = reading.isTable === true ? oddInTable(pair) : typeof pair === "string" ? pair : undefined;
    if (odd !== undefined) reading.warn(`${name}, line ${number}: ${odd}`);
    if (typeof pair === "string") return;
    const key = fold(pair[0]);
    if (records.has(key)) reading.duplicate(key, number, pair[0]);
    else records.set(key, { value: pair[1], line: number });
  };
  logicalLines(bytes, each, (text) => reading.warn(`${name}: ${text}`));
  return records;
}

/** The records as possible results. */
export function* possibleIn(records: ReadonlyMap<string, SourceRecord>): Iterable<Possible> {
  for (const [key, { value, line }] of records) yield { is: "key", key, value, line };
}

type Pair = readonly [key: string, value: string];

function oddInTable(pair: Pair | string): string | undefined {
  if (typeof pair !== "string") return pair[0].endsWith(":") ? ALIAS_SUSPICION : undefined;
  return pair === NO_VALUE ? `${pair} -- ignoring this line` : pair;
}

function mapPair(line: Buffer, start: number, end: number, { encoding }: SourceReading): Pair | string {
  const bad = encoding === "utf8" ? notUtf8(line, start, end) : undefined;
  if (bad !== undefined) return bad;
  const split = splitKeyValue(line, start, end);
  if (typeof split === "string") return split;
  return [
    line.toString(encoding, start, split.keyEnd),
    line.toString(encoding, split.valueStart, split.valueEnd),
  ];
}

function aliasPair(line: Buffer, start: number, end: number, { encoding }: SourceReading): Pair | string {
  const text = line.subarray(start, end);
  if (encoding === "utf8" && !isUtf8(text)) return notUtf8(line, start, end)!;
  const alias = parseAliasLine(text.toString(encoding));
  return typeof alias === "string" ? alias : [alias.name, alias.value];
}
