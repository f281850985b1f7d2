import { acmeNames } from "../../acme/acme_parameters.ts";
import type { Configuration } from "../../config/service.ts";
import { certificateUses } from "../../tls/own/certificate_uses.ts";
import { isHostMatch } from "../../tls/x509/names.ts";
import type { Finding } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

/** What keeps ACME from being of use, as far as main.cf and master.cf say. */
export function checkAcme(configuration: Configuration): Finding[] {
  const { settings, services } = configuration;
  const names = acmeNames(settings);
  if (names.length === 0) return [];
  const users = certificateUses(configuration)
    .filter(({ files }) => files.chainFiles.some(({ parameter }) => parameter === "acme_domains"))
    .flatMap((use) => use.services);
  const say = (parameter: string, consequence: string): Finding => {
    const place = placeOf(parameter, services[0]!, configuration);
    return {
      severity: "warning",
      text: `${placeText(place)}: ${consequence}`,
      consequence,
      parameter,
      ...place,
    };
  };
  const findings: Finding[] = [];
  if (!settings.acme_agree_to_terms) {
    findings.push(say(
      "acme_domains",
      "no certificate is ordered without an account, and none is opened before acme_agree_to_terms = yes says that the terms of " +
        `${settings.acme_directory} are accepted`,
    ));
  }
  if (users.length === 0) {
    findings.push(say(
      "acme_domains",
      "no service shows the certificate: smtpd_tls_security_level turns TLS on, and smtpd_tls_chain_files, smtpd_tls_cert_file and " +
        "kin have to be empty",
    ));
  }
  const { acme_http_listen: listen, acme_tls_listen: tls, http_listen: http } = settings;
  if (listen === "" && tls === "" && http === "") {
    findings.push(
      say(
        "acme_http_listen",
        "nobody answers the authority: acme_http_listen, acme_tls_listen and http_listen are empty",
      ),
    );
  }
  const own = [...new Set(users.map(({ settings: { myhostname } }) => myhostname))];
  const missing = own.filter((host) => !names.some((name) => isHostMatch(name, host)));
  if (missing.length > 0) {
    findings.push(say(
      "acme_domains",
      `myhostname = ${
        missing.join(", ")
      } is not among the names: clients that look at the name refuse the certificate`,
    ));
  }
  return findings;
}
