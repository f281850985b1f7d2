import type { Address } from "../../address/address.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { CountStore } from "../../platform/database/count_store.ts";
import { crc32 } from "../../platform/checksum.ts";
import { gzip } from "../../platform/gzip.ts";
import type { AskHttps } from "../sts/fetch_policy.ts";
import { dayOf, type DayOfDomain, limitsOf, parseGroup } from "./outcome_counts.ts";
import { type Reporter, type TlsReport, tlsReport } from "./report.ts";
import { reportMail } from "./report_mail.ts";
import { printReportUri, type ReportUri, reportUris } from "./tlsrpt_record.ts";

/** What reports are sent with. */
export interface ReportWorld {
  readonly store: CountStore;
  readonly resolver: Pick<Resolver, "txt">;
  readonly reporter: Reporter;
  /** Puts a message into the queue; resolves when it is there for good. */
  readonly mail: (content: string, to: Address) => Promise<void>;
  readonly ask: AskHttps;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The service stops: what is not sent yet is for later. */
  readonly isOver: () => boolean;
  readonly note: (level: "info" | "warning", text: string) => void;
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
/** Bytes of a collector's answer that are read, and milliseconds for it. */
const [ANSWER_LIMIT, TIME_LIMIT] = [65_536, 60_000];

/** When a domain's report of a day is due: the same moment in all processes, another for each domain and sender. */
export function dueAt({ day, domain }: DayOfDomain, submitter: string): number {
  return limitsOf(day).end + FIRST + crc32(Buffer.from(`${domain} ${submitter}`)) % SPREAD;
}

/** Sends the reports that are due; those that have to wait come again in a later round. Never rejects for one of them. */
export async function sendReports(world: ReportWorld): Promise<void> {
  const { store, now } = world;
  const groups = store.groupsBefore(dayOf(now()), now(), ROUND).values();
  const work = async () => {
    for (const group of groups) {
      if (world.isOver()) return;
      await sendOne(world, group);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

async function sendOne(world: ReportWorld, group: string): Promise<void> {
  const { store, now, note, reporter } = world;
  const about = parseGroup(group);
  if (about === undefined) return store.remove(group);
  if (now() < dueAt(about, reporter.submitter)) return;
  const claim = store.claim(group, now(), now() + LEASE);
  if (claim === undefined) return;
  try {
    await new Sending(world, group, about, claim.note).run();
  } catch (error) {
    if (world.isOver()) return;
    note("warning", `TLS report for ${about.domain} about ${about.day}: ${(error as Error).message}`);
  }
}

/** One report on its way to the places that its domain names. */
class Sending {
  readonly #world: ReportWorld;
  readonly #group: string;
  readonly #about: DayOfDomain;
  /** Places that have it. */
  readonly #done: Set<string>;

  constructor(world: ReportWorld, group: string, about: DayOfDomain, note: string) {
    this.#world = world;
    this.#group = group;
    this.#about = about;
    this.#done = new Set(note.split("\n").filter((line) => line !== ""));
  }

  async run(): Promise<void> {
    const { store, reporter, now } = this.#world;
    const uris = await this.#uris();
    const wanted = uris === "trouble" ? undefined : uris ?? [];
    let waiting = wanted === undefined;
    if (wanted !== undefined && wanted.length > 0) {
      const report = tlsReport(this.#about, store.counts(this.#group), reporter);
      for (const uri of wanted) waiting = !await this.#sendTo(uri, report) || waiting;
    }
    const late = now() >= limitsOf(this.#about.day).end + GIVEN_UP;
    if (waiting && late) this.#note("warning", "cannot be delivered and is given up");
    if (waiting && !late) store.note(this.#group, [...this.#done].join("\n"), now() + RETRY);
    else store.remove(this.#group);
  }

  /** Where the domain wants its reports today; undefined when it wants none any more. */
  async #uris(): Promise<readonly ReportUri[] | undefined | "trouble"> {
    const answer = await this.#world.resolver.txt(`_smtp._tls.${this.#about.domain}`);
    if (answer.is === "trouble") return "trouble";
    return answer.is === "records" ? reportUris(answer.records.map(({ text }) => text)) : undefined;
  }

  /** Whether the report is there now. */
  async #sendTo(uri: ReportUri, report: TlsReport): Promise<boolean> {
    const place = printReportUri(uri);
    if (this.#done.has(place)) return true;
    const gzipped = gzip(Buffer.from(report.json));
    const why = uri.is === "mailto"
      ? await this.#mail(uri.address, report, gzipped)
      : await this.#post(uri, gzipped);
    if (why !== undefined) {
      this.#note("warning", `to ${place}: ${why}`);
      return false;
    }
    this.#done.add(place);
    // Noted at once: who comes after a crash does not send it there again.
    this.#world.store.note(this.#group, [...this.#done].join("\n"), this.#world.now() + LEASE);
    this.#note("info", `${report.successes} successes, ${report.failures} failures: sent to ${place}`);
    return true;
  }

  async #mail(to: Address, report: TlsReport, gzipped: Uint8Array): Promise<string | undefined> {
    const { mail, reporter } = this.#world;
    try {
      await mail(reportMail(report, gzipped, reporter, to), to);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Certificates are not looked at: a domain whose certificates are broken is the one that needs the report (RFC 8460 §3). */
  async #post(
    { host, port, path }: Extract<ReportUri, { readonly is: "https" }>,
    bytes: Uint8Array,
  ): Promise<string | undefined> {
    const answer = await this.#world.ask({
      host,
      port,
      path,
      body: { type: "application/tlsrpt+gzip", bytes },
      verify: false,
      bodyLimit: ANSWER_LIMIT,
      timeout: TIME_LIMIT,
    });
    if ("failed" in answer) return answer.why;
    return answer.status >= 200 && answer.status < 300 ? undefined : `HTTP status ${answer.status}`;
  }

  #note(level: "info" | "warning", text: string): void {
    this.#world.note(level, `TLS report for ${this.#about.domain} about ${this.#about.day}: ${text}`);
  }
}
