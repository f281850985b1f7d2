import type { QueueRow } from "../../master/control/queue_rows.ts";

/** What is counted, and by what. */
export interface QshapeShape {
  /** By the sender's domain (-s), not by the recipients'. */
  readonly bySender: boolean;
  /** Parent domains too (-p). */
  readonly parents: boolean;
  /** Ages: this many columns (-b), the first this many minutes wide (-t), all as wide (-l) or each twice the one before. */
  readonly buckets: number;
  readonly minutes: number;
  readonly linear: boolean;
}

/** What the null sender is counted as. */
const NOBODY = "MAILER-DAEMON";

/** A row of the table: the total, then a count for each age. */
export interface QshapeRow {
  readonly domain: string;
  readonly counts: readonly number[];
}

/** How many addresses of each domain are how old (qshape(1)). */
export class QshapeCounts {
  readonly #shape: QshapeShape;
  readonly #now: number;
  readonly #rows = new Map<string, number[]>();
  readonly #children = new Map<string, number>();
  /** Messages so far. */
  messages = 0;

  /** `now` in milliseconds since 1970. */
  constructor(shape: QshapeShape, now: number) {
    this.#shape = shape;
    this.#now = Math.floor(now / 1000);
    this.#row("TOTAL");
  }

  add({ arrival, sender, recipients, continued }: QueueRow): void {
    if (continued !== true) this.messages++;
    else if (this.#shape.bySender) return;
    const bucket = this.#bucketOf(Math.floor(arrival / 1000));
    const addresses = this.#shape.bySender ? [sender] : recipients.map(({ address }) => address);
    for (const address of addresses) {
      this.#count("TOTAL", bucket);
      this.#countDomain(domainOf(address), bucket);
    }
  }

  #bucketOf(arrival: number): number {
    const { minutes, linear, buckets } = this.#shape;
    const age = (this.#now - arrival) / (60 * minutes);
    if (age < 1) return 1;
    return Math.min(buckets, linear ? Math.trunc(age + 1) : 2 + Math.trunc(Math.log(age) / Math.log(2)));
  }

  /** A domain and what is above it; a parent has one more child when the child is met for the first time. */
  #countDomain(domain: string, bucket: number): void {
    let isNewChild = false;
    for (let name: string | undefined = domain; name !== undefined; name = this.#parentOf(name)) {
      const isNew = this.#count(name, bucket);
      if (isNewChild) this.#children.set(name, (this.#children.get(name) ?? 0) + 1);
      isNewChild = isNew;
    }
  }

  /** `.example.com` of `a.example.com` and of `.a.example.com`; none for what lies below a top level domain. */
  #parentOf(name: string): string | undefined {
    const match = this.#shape.parents ? /^\.?[^.]+\.(.*\..*)$/.exec(name) : null;
    return match === null ? undefined : `.${match[1]}`;
  }

  #row(name: string): number[] {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = new Array<number>(this.#shape.buckets + 1).fill(0);
      this.#rows.set(name, row);
    }
    return row;
  }

  /** Whether it is the first. */
  #count(name: string, bucket: number): boolean {
    const row = this.#row(name);
    row[bucket]!++;
    return ++row[0]! === 1;
  }

  /** The rows, those with most first; parents only with so many children. */
  rows(leastChildren: number): QshapeRow[] {
    return [...this.#rows].map(([domain, counts]) => ({ domain, counts }))
      .filter(({ domain }) => !domain.startsWith(".") || (this.#children.get(domain) ?? 0) >= leastChildren)
      .sort((one, other) =>
        other.counts[0]! - one.counts[0]! ||
        Number(other.domain === "TOTAL") - Number(one.domain === "TOTAL") ||
        one.domain.length - other.domain.length || (one.domain < other.domain ? -1 : 1)
      );
  }
}

function domainOf(address: string): string {
  const domain = address === "" ? NOBODY : address.toLowerCase().replace(/^.*@/s, "").replaceAll("..", ".");
  return domain.replace(/^\.?(.+?)\.?$/s, "$1");
}
