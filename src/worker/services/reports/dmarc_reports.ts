import { internalAddress } from "../../../address/address.ts";
import { systemClock } from "../../../base/clock.ts";
import { VERSION } from "../../../base/version.ts";
import type { ParameterName } from "../../../config/parameters/settings_type.ts";
import { countMessages } from "../../../mailauth/reports/count_message.ts";
import { prepareDmarcReport } from "../../../mailauth/reports/prepare_report.ts";
import type { OnVerified } from "../../../mailauth/reports/verified_message.ts";
import { DayReporting, type DayReportingParts } from "./day_reporting.ts";

/** The parameters of aggregate reports about DMARC. */
export const DMARC_REPORT_PARAMETERS = [
  "dmarc_report_from",
  "dmarc_report_organization",
  "dmarc_reports",
] as const satisfies readonly ParameterName[];

/** Hears of verified messages, and reports them to the domains that ask for it. */
export interface DmarcReports {
  readonly onVerified: OnVerified;
  /** Writes down what is not yet. */
  close(): void;
}

/** Domains times days, different records of one of them, and of all, that are kept. */
const LIMITS = { groups: 20_000, keysOfGroup: 5000, keys: 200_000 };

/** Opens it; undefined without dmarc_reports. */
export function openDmarcReports(parts: DayReportingParts): DmarcReports | undefined {
  if (!parts.context.configuration.settings.dmarc_reports) return undefined;
  const reporting = new DayReporting(parts, {
    kind: "DMARC report",
    program: "smtpd",
    file: "dmarc_reports.sqlite",
    limits: LIMITS,
    prepare: (reporting) => prepare(parts, reporting),
  });
  return {
    onVerified: countMessages(
      (domain, key) => reporting.count(domain, key),
      () => systemClock.now(),
    ),
    close: () => reporting.close(),
  };
}

/** Milliseconds that the DNS has for one report: a domain with slow name servers keeps others waiting. */
const PATIENCE = 60_000;

/** Reports have a sender of their own, which SPF speaks for: they have to pass DMARC themselves (RFC 9990 §3.5.2). */
function prepare(
  { context: { configuration: { settings } }, world }: DayReportingParts,
  reporting: DayReporting,
) {
  const from = internalAddress(settings.dmarc_report_from);
  return prepareDmarcReport({
    resolver: world.resolver,
    patience: () => AbortSignal.timeout(PATIENCE),
    reporter: {
      organization: settings.dmarc_report_organization,
      from,
      submitter: settings.myhostname,
      generator: `mta ${VERSION}`,
    },
    mail: (content, to) => reporting.mail(content, to, from),
    note: (level, text) => reporting.note(level, text),
  });
}
