import { splitList } from "../../config/syntax/list.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { clientDnsLevel } from "../../delivery/smtp/client_settings.ts";
import { unbelievedServers } from "../../dns/system_resolver.ts";
import type { Finding } from "./finding.ts";

/** Clients that are to use DANE, where answers of the DNS cannot be known to be right (RFC 7672 §2.2). */
export function checkDnssec(configuration: Configuration): Finding[] {
  const { directory, services } = configuration;
  const seen = new Set<string>();
  return services.flatMap((service): Finding[] => {
    const consequence = unvalidated(service, configuration);
    if (consequence === undefined || seen.has(consequence)) return [];
    seen.add(consequence);
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    const text = `${file}, line ${line}, service ${key}: ${consequence}`;
    return [{ severity: "weaker", text, consequence, file, line, service: key, feature: "DANE" }];
  });
}

/** Why the client of an entry gets no validated answers that it wants. */
function unvalidated({ program, settings }: Service, { settings: main }: Configuration): string | undefined {
  if (program !== "smtp" && program !== "lmtp") return undefined;
  const dns = clientDnsLevel(program, settings);
  const level = settings[`${program}_tls_security_level`];
  if (dns !== "dnssec") {
    if (level !== "dane" && level !== "dane-only") return undefined;
    return `${program}_tls_security_level = ${level} needs ${program}_dns_support_level = dnssec: ${
      fallback(level)
    }`;
  }
  const servers = unbelievedServers({ servers: splitList(main.dns_servers), trustAd: main.dns_trust_ad });
  if (servers.length === 0) return undefined;
  return `${program}_dns_support_level = dnssec, but the name server ${
    servers.join(", ")
  } is not on this machine, and anybody on ` +
    `the way could claim that an answer was validated: ${
      fallback(level)
    }; run a validating resolver on 127.0.0.1, ` +
    `or say that the way is safe with dns_trust_ad = yes, or "options trust-ad" in /etc/resolv.conf`;
}

function fallback(level: string): string {
  return level === "dane-only" ? "mail waits" : "no host has TLSA records here, and DANE protects nothing";
}
