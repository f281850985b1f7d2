import type { ParameterName } from "../../../config/parameters/settings_type.ts";
import type { AskHttps } from "../../../tls/sts/fetch_policy.ts";
import { prepareTlsReport } from "../../../tls/tlsrpt/prepare_report.ts";
import { outcomeKey } from "../../../tls/tlsrpt/tls_outcome.ts";
import type { TlsReporting } from "../../../tls/tlsrpt/tls_reporting.ts";
import { reportUris } from "../../../tls/tlsrpt/tlsrpt_record.ts";
import { DayReporting, type DayReportingParts } from "./day_reporting.ts";

/** The parameters of reports about TLS. */
export const TLS_REPORT_PARAMETERS = [
  "smtp_tlsrpt_enable",
  "tlsrpt_contact",
  "tlsrpt_organization",
] as const satisfies readonly ParameterName[];

/** What is counted, and kept until it is reported. */
export interface TlsReports extends TlsReporting {
  /** Writes down what is not yet. */
  close(): void;
}

interface Parts extends DayReportingParts {
  readonly ask: () => AskHttps;
}

/** Opens it; undefined where no client has smtp_tlsrpt_enable. */
export function openTlsReports(parts: Parts): TlsReports | undefined {
  const { services } = parts.context.configuration;
  const isWanted = services.some(({ program, settings }) =>
    program === "smtp" && settings.smtp_tlsrpt_enable
  );
  if (!isWanted) return undefined;
  const reporting = new DayReporting(parts, {
    kind: "TLS report",
    program: "smtp",
    file: "tlsrpt.sqlite",
    prepare: (reporting) => prepare(parts, reporting),
  });
  const { resolver } = parts.world;
  return {
    async wanted(domain) {
      const answer = await resolver.txt(`_smtp._tls.${domain}`);
      const uris = answer.is === "records" ? reportUris(answer.records.map(({ text }) => text)) : undefined;
      return uris !== undefined && uris.length > 0;
    },
    count: (domain, outcome) => reporting.count(domain, outcomeKey(outcome)),
    close: () => reporting.close(),
  };
}

function prepare({ context: { configuration: { settings } }, world, ask }: Parts, reporting: DayReporting) {
  return prepareTlsReport({
    resolver: world.resolver,
    reporter: {
      organization: settings.tlsrpt_organization,
      contact: settings.tlsrpt_contact,
      submitter: settings.myhostname,
    },
    mail: (content, to) => reporting.mail(content, to),
    ask: (request) => ask()(request),
  });
}
