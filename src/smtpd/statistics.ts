/** What the disconnect line counts, in its order (smtpd(8)). */
const COUNTED = [
  "helo",
  "ehlo",
  "xclient",
  "xforward",
  "starttls",
  "auth",
  "mail",
  "rcpt",
  "data",
  "bdat",
  "rset",
  "noop",
  "vrfy",
  "etrn",
  "quit",
  "unknown",
] as const;

/** A counted command. */
export type Counted = (typeof COUNTED)[number];

const INDEX = new Map<string, number>(COUNTED.map((name, i) => [name, i]));

const shown = (good: number, all: number) => good === all ? `${all}` : `${good}/${all}`;

/** Commands of a session by kind, all and good ones. Takes no memory before the first command. */
export class Statistics {
  #counts: Uint32Array | undefined;

  count(name: Counted, good: boolean): void {
    this.#counts ??= new Uint32Array(2 * COUNTED.length);
    const at = 2 * INDEX.get(name)!;
    this.#counts[at]!++;
    if (good) this.#counts[at + 1]!++;
  }

  /** A command that was counted when it came has turned out well. */
  succeed(name: Counted): void {
    const counts = this.#counts;
    if (counts !== undefined) counts[2 * INDEX.get(name)! + 1]!++;
  }

  /** `ehlo=1 auth=1/6 mail=1 commands=3/8`. */
  text(): string {
    const counts = this.#counts;
    let out = "";
    let all = 0;
    let good = 0;
    for (let i = 0; counts !== undefined && i < COUNTED.length; i++) {
      const total = counts[2 * i]!;
      if (total === 0) continue;
      const well = counts[2 * i + 1]!;
      out += `${COUNTED[i]}=${shown(well, total)} `;
      all += total;
      good += well;
    }
    // Without any command Postfix writes 0/0.
    return `${out}commands=${all === 0 ? "0/0" : shown(good, all)}`;
  }
}
