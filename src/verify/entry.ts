/** What is known of an address (verify(8), DEL_RCPT_STAT_*); `todo`: nothing yet, a probe is to tell. */
export type AddressStatus = "deliverable" | "deferred" | "undeliverable" | "todo";

/** A row of the address verification database. Times are whole seconds since 1970. */
export interface Entry {
  readonly status: AddressStatus;
  /** When the probe that is still out was sent; 0 when none is. */
  readonly probed: number;
  /** When the last result came; 0 when none did. */
  readonly updated: number;
  /** What the delivery agent said. */
  readonly text: string;
  /** Number of the process whose probe is out. */
  readonly prober?: number;
}

/** The numbers of the statuses in a table, by position. */
const NUMBERS = ["deliverable", "deferred", "undeliverable", "todo"] as const;

const FORM = /^([0-3]):(\d{1,15}):(\d{1,15}):(.*)$/s;

/** An entry as verify(8) keeps it in a table: `status:probed:updated:text`. */
export function printEntry({ status, probed, updated, text }: Entry): string {
  return `${NUMBERS.indexOf(status)}:${probed}:${updated}:${text}`;
}

/** Reads the same; undefined when it is none. */
export function parseEntry(value: string): Entry | undefined {
  const match = FORM.exec(value);
  if (match === null) return undefined;
  const [probed, updated] = [Number(match[2]), Number(match[3])];
  if (probed === 0 && updated === 0) return undefined;
  return { status: NUMBERS[Number(match[1])]!, probed, updated, text: match[4]! };
}

/** An entry in our own file: the prober's number goes before it. */
export function printRecord(entry: Entry): string {
  return `${entry.prober ?? 0}:${printEntry(entry)}`;
}

/** Reads the same; undefined when it is none. */
export function parseRecord(value: string): Entry | undefined {
  const colon = value.indexOf(":");
  const prober = value.slice(0, colon);
  const entry = parseEntry(value.slice(colon + 1));
  if (entry === undefined || !/^\d{1,10}$/.test(prober)) return undefined;
  return prober === "0" ? entry : { ...entry, prober: Number(prober) };
}
