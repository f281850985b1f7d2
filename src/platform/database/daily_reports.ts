import { crc32 } from "../checksum.ts";
import type { Count, CountStore } from "./count_store.ts";
import { dayOf, type DayOfDomain, limitsOf, parseGroup } from "./day_counts.ts";

/** One place that a report goes to. */
export interface ReportPlace {
  /** As its domain wrote it: by this it is remembered that it has the report. */
  readonly name: string;
  /** Answers why the report is not there; undefined when it is. */
  send(): Promise<string | undefined>;
}

/** What is sent of a domain's day. */
export interface DayReport {
  /** For the log. */
  readonly summary: string;
  /** None: the domain wants no report any more. */
  readonly places: readonly ReportPlace[];
}

/** One kind of reports, and what they are sent with. */
export interface DailyReports {
  /** `TLS report`, for the log. */
  readonly kind: string;
  /** Our host name. */
  readonly submitter: string;
  readonly store: CountStore;
  /** Makes the report; undefined when it cannot be found out now where it goes. */
  prepare(about: DayOfDomain, counts: readonly Omit<Count, "group">[]): Promise<DayReport | undefined>;
  /** Milliseconds since 1970. */
  now(): number;
  /** The service stops: what is not sent yet is for later. */
  isOver(): boolean;
  note(level: "info" | "warning", text: string): void;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Reports of a day leave from this long after its end, spread over so much time (RFC 8460 §4.1). */
const FIRST = 10 * MINUTE;
const SPREAD = 4 * HOUR;
/** How long one attempt may take, and when the next one is due. */
const LEASE = 30 * MINUTE;
const RETRY = HOUR;
/** After so long a report that could not be delivered is given up (RFC 8460 §5.5). */
const GIVEN_UP = FIRST + SPREAD + 24 * HOUR;
/** Reports in one round, and at a time. */
const ROUND = 20_000;
const AT_A_TIME = 10;

/** When a domain's report of a day is due: the same moment in all processes, another for each domain and sender. */
export function dueAt({ day, domain }: DayOfDomain, submitter: string): number {
  return limitsOf(day).end + FIRST + crc32(Buffer.from(`${domain} ${submitter}`)) % SPREAD;
}

/** Sends the reports that are due; those that have to wait come again in a later round. Never rejects for one of them. */
export async function sendDailyReports(reports: DailyReports): Promise<void> {
  const groups = reports.store.groupsBefore(dayOf(reports.now()), reports.now(), ROUND).values();
  const work = async () => {
    for (const group of groups) {
      if (reports.isOver()) return;
      await sendOne(reports, group);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

async function sendOne(reports: DailyReports, group: string): Promise<void> {
  const { store, submitter } = reports;
  const about = parseGroup(group);
  if (about === undefined) return store.remove(group);
  if (reports.now() < dueAt(about, submitter)) return;
  const claim = store.claim(group, reports.now(), reports.now() + LEASE);
  if (claim === undefined) return;
  const sending = new Sending(reports, group, about, claim.note);
  try {
    await sending.run();
  } catch (error) {
    if (!reports.isOver()) sending.note("warning", (error as Error).message);
  }
}

/** One report on its way to the places that its domain names. */
class Sending {
  readonly #reports: DailyReports;
  readonly #group: string;
  readonly #about: DayOfDomain;
  /** Places that have it. */
  readonly #done: Set<string>;

  constructor(reports: DailyReports, group: string, about: DayOfDomain, note: string) {
    this.#reports = reports;
    this.#group = group;
    this.#about = about;
    this.#done = new Set(note.split("\n").filter((line) => line !== ""));
  }

  async run(): Promise<void> {
    const { store } = this.#reports;
    const report = await this.#reports.prepare(this.#about, store.counts(this.#group));
    let waiting = report === undefined;
    for (const place of report?.places ?? []) {
      waiting = !await this.#sendTo(place, report!.summary) || waiting;
    }
    const late = this.#reports.now() >= limitsOf(this.#about.day).end + GIVEN_UP;
    if (waiting && late) this.note("warning", "cannot be delivered and is given up");
    if (waiting && !late) this.#remember(RETRY);
    else store.remove(this.#group);
  }

  /** Whether the report is there now. */
  async #sendTo(place: ReportPlace, summary: string): Promise<boolean> {
    if (this.#done.has(place.name)) return true;
    const why = await place.send();
    if (why !== undefined) {
      this.note("warning", `to ${place.name}: ${why}`);
      return false;
    }
    this.#done.add(place.name);
    // Noted at once: who comes after a crash does not send it there again.
    this.#remember(LEASE);
    this.note("info", `${summary}: sent to ${place.name}`);
    return true;
  }

  #remember(until: number): void {
    const { store } = this.#reports;
    store.note(this.#group, [...this.#done].join("\n"), this.#reports.now() + until);
  }

  note(level: "info" | "warning", text: string): void {
    const { kind } = this.#reports;
    this.#reports.note(level, `${kind} for ${this.#about.domain} about ${this.#about.day}: ${text}`);
  }
}
