import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { clientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import type { Finding } from "./finding.ts";

/** Clients that are to obey MTA-STS, or to report about TLS, at a level where they do not. */
export function checkPublished({ directory, services }: Configuration): Finding[] {
  const seen = new Set<string>();
  return services.flatMap((service) =>
    lost(service).flatMap(([parameter, consequence]): Finding[] => {
      if (seen.has(consequence)) return [];
      seen.add(consequence);
      const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
      const text = `${file}, line ${line}, service ${key}: ${consequence}`;
      return [{ severity: "weaker", text, consequence, file, line, service: key, parameter }];
    })
  );
}

const OPEN_TO_MORE: ReadonlySet<string> = new Set(["may", "encrypt", "dane"]);

function lost(
  { program, settings }: Service,
): readonly (readonly [parameter: string, consequence: string])[] {
  if (program !== "smtp") return [];
  const { level } = clientTlsSettings("smtp", settings);
  const found: [string, string][] = [];
  if (settings.smtp_mta_sts_enable && !OPEN_TO_MORE.has(level)) {
    found.push([
      "smtp_mta_sts_enable",
      `smtp_mta_sts_enable = yes has no effect at smtp_tls_security_level = ${level}: it needs may, encrypt or dane`,
    ]);
  }
  if (settings.smtp_tlsrpt_enable && level === "none") {
    found.push([
      "smtp_tlsrpt_enable",
      "smtp_tlsrpt_enable = yes has no effect at smtp_tls_security_level = none: there is no TLS to report about",
    ]);
  }
  return found;
}
