import { timeZoneName } from "../platform/time_zone.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

const two = (n: number) => n < 10 ? `0${n}` : `${n}`;

/** Where local time stands: minutes east of Greenwich and the zone's abbreviation. */
export interface Zone {
  readonly minutes: number;
  readonly name: string;
}

// Zones change at quarters of an hour only, so one look-up serves every message of a quarter.
const QUARTER = 900_000;
let cachedQuarter = NaN;
let cachedZone: Zone = { minutes: 0, name: "UTC" };

/** The local zone at that moment. */
export function localZone(milliseconds: number): Zone {
  const quarter = Math.floor(milliseconds / QUARTER);
  if (quarter !== cachedQuarter) {
    cachedZone = {
      minutes: -new Date(milliseconds).getTimezoneOffset(),
      name: timeZoneName(milliseconds),
    };
    cachedQuarter = quarter;
  }
  return cachedZone;
}

function clock(date: Date): string {
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

function printMailDate(milliseconds: number, zone: Zone): string {
  const date = new Date(milliseconds + zone.minutes * 60_000);
  const away = Math.abs(zone.minutes);
  const offset = `${zone.minutes < 0 ? "-" : "+"}${two(Math.floor(away / 60))}${two(away % 60)}`;
  const number = `${date.getUTCDate()}`.padStart(2);
  const day = `${DAYS[date.getUTCDay()]}, ${number} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day} ${clock(date)} ${offset} (${zone.name})`;
}

let cachedSecond = NaN;
let cachedDate = "";

/** `Wed, 25 Nov 2026 01:54:39 +0000 (UTC)`: RFC 5322 §3.3, day blank-padded, with the zone's name as a comment, as Postfix writes it. */
export function mailDate(milliseconds: number, zone?: Zone): string {
  if (zone !== undefined) return printMailDate(milliseconds, zone);
  const second = Math.floor(milliseconds / 1000);
  if (second !== cachedSecond) {
    cachedDate = printMailDate(milliseconds, localZone(milliseconds));
    cachedSecond = second;
  }
  return cachedDate;
}

/** `Wed Nov 25 01:54:39 2026` (day blank-padded), as in an mbox `From ` line: local time, no zone. */
export function mboxDate(milliseconds: number, zone: Zone = localZone(milliseconds)): string {
  const date = new Date(milliseconds + zone.minutes * 60_000);
  const day = `${date.getUTCDate()}`.padStart(2);
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${
    clock(date)
  } ${date.getUTCFullYear()}`;
}

/** `20261125015439`: the local time of a generated Message-Id of the short form. */
export function compactDate(milliseconds: number, zone: Zone = localZone(milliseconds)): string {
  const d = new Date(milliseconds + zone.minutes * 60_000);
  return `${d.getUTCFullYear()}${two(d.getUTCMonth() + 1)}${two(d.getUTCDate())}${
    clock(d).replaceAll(":", "")
  }`;
}
