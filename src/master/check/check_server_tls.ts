import type { Configuration, Service } from "../../config/service.ts";
import { isDigest } from "../../platform/digest.ts";
import { fixedMaterial, serverAuthorities } from "../../smtpd/tls/server_context.ts";
import { readTlsSettings } from "../../smtpd/tls/tls_settings.ts";
import { readAuthorities } from "../../tls/verification/authorities.ts";
import { keyExchangeGroups } from "../../tls/groups.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { Finding, Severity } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

interface Problem {
  readonly severity: Severity;
  readonly parameter: string;
  readonly text: string;
}

/** What in the settings of the servers, beside keys and certificates, keeps clients from TLS. */
export function checkServerTls(configuration: Configuration, files: TlsFiles): Finding[] {
  const seen = new Set<string>();
  return configuration.services.flatMap((service) => {
    if (service.program !== "smtpd" || !readTlsSettings(service.settings).offered) return [];
    return problemsOf(service, files).map((problem) => findingOf(problem, service, configuration))
      .filter(({ text }) => !seen.has(text) && seen.add(text));
  });
}

function problemsOf({ settings }: Service, files: TlsFiles): readonly Problem[] {
  const { demanded, askCertificate } = readTlsSettings(settings);
  const without = demanded ? "the service takes no mail" : "mail comes in in the clear";
  const severity = demanded ? "closed" : "weaker";
  const found: Problem[] = [];
  const { material } = fixedMaterial(settings);
  if ("problem" in material) {
    const parameter = /protocol/.test(material.problem)
      ? `smtpd_tls_${demanded ? "mandatory_" : ""}protocols`
      : `smtpd_tls_${demanded ? "mandatory_" : ""}ciphers`;
    found.push({
      severity,
      parameter,
      text: `${material.problem}; clients hear 454 at STARTTLS: ${without}`,
    });
  }
  const { warning } = keyExchangeGroups(settings, settings.smtpd_tls_eecdh_grade);
  if (warning !== undefined) {
    const text = `${warning}; the library's own groups are used`;
    found.push({ severity: "warning", parameter: "smtpd_tls_eecdh_grade", text });
  }
  const digest = settings.smtpd_tls_fingerprint_digest;
  if (!isDigest(digest)) {
    const text = `Digest algorithm "${digest}" not found; clients hear 454 at STARTTLS: ${without}`;
    found.push({ severity, parameter: "smtpd_tls_fingerprint_digest", text });
  }
  if (!askCertificate) return found;
  const sources = serverAuthorities(settings);
  const read = readAuthorities(sources, files);
  if ("problem" in read) {
    const parameter = sources.file === "" ? "smtpd_tls_CApath" : "smtpd_tls_CAfile";
    found.push({ severity, parameter, text: `${read.problem}; clients hear 454 at STARTTLS: ${without}` });
  }
  return found;
}

function findingOf(
  { severity, parameter, text }: Problem,
  service: Service,
  configuration: Configuration,
): Finding {
  const place = placeOf(parameter, service, configuration);
  return { severity, text: `${placeText(place)}: ${text}`, consequence: text, parameter, ...place };
}
