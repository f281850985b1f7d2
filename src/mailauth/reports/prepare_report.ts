import type { Address } from "../../address/address.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { DailyReports, ReportPlace } from "../../platform/database/daily_reports.ts";
import { gzip } from "../../platform/gzip.ts";
import { RecordAsker } from "../dmarc/tree_walk.ts";
import type { AggregateReport } from "./aggregate_report.ts";
import { type Destination, verifyDestination } from "./external_destination.ts";
import { gatherReport, type Reporter } from "./gather_report.ts";
import { printReport } from "./print_report.ts";
import { reportMail } from "./report_mail.ts";
import { type ReportUri, reportUris, ruaOf } from "./report_uri.ts";

/** What reports are made and sent with. */
export interface ReportWorld {
  readonly resolver: Pick<Resolver, "query">;
  /** Until when the DNS is asked where one report goes; what is not known then is asked the next time. */
  readonly patience: () => AbortSignal;
  readonly reporter: Reporter;
  /** Puts a message into the queue; resolves when it is there for good. */
  readonly mail: (content: string, to: Address) => Promise<void>;
  readonly note: (level: "info" | "warning", text: string) => void;
}

/** Places that one report is sent to, whatever places answer for others. */
const MOST_PLACES = 10;

/** Makes a domain's report, for where the domain wants it today. */
export function prepareDmarcReport(world: ReportWorld): DailyReports["prepare"] {
  return async (about, counts) => {
    const { resolver } = world;
    const signal = world.patience();
    const asker = new RecordAsker({ resolver, signal });
    const asked = await asker.ask(about.domain);
    if (asked.is === "temperror" || asked.is === "permerror") return undefined;
    const uris = asked.is === "found" ? reportUris(ruaOf(asked.published.record.text)) : [];
    const report = uris.length === 0 ? undefined : gatherReport(about, counts, world.reporter);
    if (report === undefined) return { summary: "", places: [] };
    const finished = { report, gzipped: gzip(Buffer.from(printReport(report))) };
    const places = new Map<string, ReportPlace>();
    for (const uri of uris) {
      const destination = await verifyDestination(about.domain, uri, { resolver, asker, signal });
      for (const place of placesOf(world, finished, uri, destination)) places.set(place.name, place);
    }
    return { summary: summaryOf(report), places: [...places.values()].slice(0, MOST_PLACES) };
  };
}

function summaryOf({ records }: AggregateReport): string {
  const messages = records.reduce((sum, { count }) => sum + count, 0);
  return `${messages} messages in ${records.length} records`;
}

/** A report that is on its way. */
interface Finished {
  readonly report: AggregateReport;
  readonly gzipped: Uint8Array;
}

function placesOf(
  world: ReportWorld,
  finished: Finished,
  uri: ReportUri,
  destination: Destination,
): readonly ReportPlace[] {
  switch (destination.is) {
    case "allowed":
      return destination.uris.flatMap((each) => placeOf(world, finished, each));
    case "trouble":
      return [{ name: `mailto:${uri.address}`, send: () => Promise.resolve(destination.why) }];
    case "refused":
      leftOut(world, finished, uri, destination.why);
      return [];
  }
}

/** Where a report is too large to be taken there is no place for it (RFC 7489 §6.2). */
function placeOf(
  world: ReportWorld,
  finished: Finished,
  { address, most, ...uri }: ReportUri,
): readonly ReportPlace[] {
  // Made once more when it is sent: as many are not held at a time as there are places.
  const content = () => reportMail(finished.report, finished.gzipped, world.reporter, address);
  if (most !== undefined && content().length > most) {
    leftOut(world, finished, { address, ...uri }, `it is larger than ${most} bytes`);
    return [];
  }
  const send = async () => {
    try {
      await world.mail(content(), address);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  return [{ name: `mailto:${address}`, send }];
}

function leftOut({ note }: ReportWorld, { report }: Finished, { address }: ReportUri, why: string): void {
  note("info", `DMARC report for ${report.policy.domain} is not sent to mailto:${address}: ${why}`);
}
