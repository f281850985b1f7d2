import { splitList } from "../../config/syntax/list.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { clientDnsLevel } from "../../delivery/smtp/client_settings.ts";
import { nameServers } from "../../dns/system_resolver.ts";
import type { Finding } from "./finding.ts";

/** Clients that are to use DANE, where answers of the DNS cannot be known to be right (RFC 7672 §2.2). */
export function checkDnssec(configuration: Configuration): Finding[] {
  const { directory, services } = configuration;
  const seen = new Set<string>();
  return services.flatMap((service): Finding[] => {
    const found = unvalidated(service, configuration);
    if (found === undefined || seen.has(found.consequence)) return [];
    seen.add(found.consequence);
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    const text = `${file}, line ${line}, service ${key}: ${found.consequence}`;
    return [{ ...found, text, file, line, service: key, feature: "DANE" }];
  });
}

/** Why the client of an entry gets no validated answers that it wants, or not from all name servers. */
function unvalidated(
  { program, settings }: Service,
  { settings: main }: Configuration,
): Required<Pick<Finding, "severity" | "consequence">> | undefined {
  if (program !== "smtp" && program !== "lmtp") return undefined;
  const dns = clientDnsLevel(program, settings);
  const level = settings[`${program}_tls_security_level`];
  if (dns !== "dnssec") {
    if (level !== "dane" && level !== "dane-only") return undefined;
    const needs = `${program}_tls_security_level = ${level} needs ${program}_dns_support_level = dnssec`;
    return { severity: "weaker", consequence: `${needs}: ${fallback(level)}` };
  }
  const servers = splitList(main.dns_servers);
  const { believed, others } = nameServers({ servers, trustAd: main.dns_trust_ad });
  if (others.length === 0) return undefined;
  const hosts = others.map(({ host }) => host).join(", ");
  const which =
    `${program}_dns_support_level = dnssec, but the name server ${hosts} is not on this machine, and anybody on ` +
    "the way could claim that an answer was validated";
  if (believed.length > 0) {
    return { severity: "warning", consequence: `${which}: ${program} does not ask it; see dns_trust_ad` };
  }
  const consequence = `${which}: ${fallback(level)}; run a validating resolver on 127.0.0.1, ` +
    `or say that the way is safe with dns_trust_ad = yes, or "options trust-ad" in /etc/resolv.conf`;
  return { severity: "weaker", consequence };
}

function fallback(level: string): string {
  return level === "dane-only" ? "mail waits" : "no host has TLSA records here, and DANE protects nothing";
}
