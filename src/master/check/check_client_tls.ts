import type { Configuration, Service } from "../../config/service.ts";
import { readAuthorities } from "../../tls/verification/authorities.ts";
import { isOptional, isPolicyFault, type PolicyDraft } from "../../tls/client_policy.ts";
import { type ClientTlsSettings, clientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import { completePolicy } from "../../tls/client/complete_policy.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import { TrustAnchorFiles } from "../../tls/verification/trust_anchors.ts";
import type { Finding, Severity } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

/** What in the settings of the clients keeps mail from going out under TLS, or at all. */
export function checkClientTls(configuration: Configuration, files: TlsFiles): Finding[] {
  const anchors = new TrustAnchorFiles(files);
  const seen = new Set<string>();
  return configuration.services.flatMap((service) => {
    const { program, settings } = service;
    if (program !== "smtp" && program !== "lmtp") return [];
    const tls = clientTlsSettings(program, settings);
    const problems = [
      ...authorityProblems(tls, files),
      ...wrapperProblems(tls),
      ...policyProblems(tls, anchors),
    ];
    return problems.map((problem) => findingOf(problem, service, configuration))
      .filter(({ text }) => !seen.has(text) && seen.add(text));
  });
}

interface Problem {
  readonly severity: Severity;
  /** Without `smtp_` or `lmtp_`. */
  readonly parameter: string;
  readonly text: string;
}

const closed = (parameter: string, text: string): Problem => ({ severity: "closed", parameter, text });

function authorityProblems({ authorities, level }: ClientTlsSettings, files: TlsFiles): readonly Problem[] {
  const parameter = authorities.file === "" ? "tls_CApath" : "tls_CAfile";
  const read = readAuthorities(authorities, files);
  if ("problem" in read) {
    const what = isOptional(level) ? "mail goes in the clear" : "mail waits";
    return [{
      severity: isOptional(level) ? "weaker" : "closed",
      parameter,
      text: `${read.problem}; ${what}`,
    }];
  }
  return [];
}

function wrapperProblems({ wrapperMode, level, program }: ClientTlsSettings): readonly Problem[] {
  if (!wrapperMode || !isOptional(level)) return [];
  const needs =
    `${program}_tls_wrappermode = yes needs ${program}_tls_security_level = encrypt, or a stronger one`;
  return [closed("tls_wrappermode", `${needs}: mail waits, but where ${program}_tls_policy_maps says so`)];
}

/** The level of all, as far as main.cf decides alone what it comes to. */
function policyProblems(tls: ClientTlsSettings, anchors: TrustAnchorFiles): readonly Problem[] {
  const { level, program, authorities } = tls;
  const draft: PolicyDraft = { level, isGiven: false };
  const { is: policy, warnings } = completePolicy(draft, tls, "", anchors);
  if (isPolicyFault(policy)) {
    return [closed("tls_security_level", `${warnings.join("; ")}: mail waits`)];
  }
  const asksAuthorities = (level === "verify" || level === "secure") && policy.associations.length === 0;
  if (!asksAuthorities || authorities.file !== "" || authorities.folder !== "") return [];
  const text = `${program}_tls_security_level = ${level}, and no authority is trusted: mail waits; ` +
    `name those that count with ${program}_tls_CAfile (the system's: /etc/ssl/certs/ca-certificates.crt)`;
  return [closed("tls_security_level", text)];
}

function findingOf(
  { severity, parameter, text }: Problem,
  service: Service,
  configuration: Configuration,
): Finding {
  const name = `${service.program}_${parameter}`;
  const place = placeOf(name, service, configuration);
  return { severity, text: `${placeText(place)}: ${text}`, consequence: text, parameter: name, ...place };
}
