import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { readTextIfThere } from "../../platform/file/small_files.ts";
import { readBackend } from "../../sasl/read_backend.ts";
import { badSecurityOption } from "../../smtpd/create_auth_server.ts";
import type { Finding } from "./finding.ts";

type Found = Pick<Finding, "severity" | "consequence" | "closes">;

/** Services that are to let clients log in, and cannot, or only in the clear. Nobody is asked. */
export function checkLogins(configuration: Configuration): Finding[] {
  const { directory, services } = configuration;
  return services.flatMap((service) => {
    const found = service.program === "smtpd" ? problemOf(service) : undefined;
    if (found === undefined) return [];
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    const text = `${file}, line ${line}, service ${key}: ${found.consequence}`;
    return [{ ...found, text, file, line, service: key, feature: `logins: ${found.consequence}` }];
  });
}

function problemOf(service: Service): Found | undefined {
  const { settings } = service;
  if (!settings.smtpd_sasl_auth_enable || service.closed !== undefined) return undefined;
  const wanted = readBackend(settings, readTextIfThere);
  const bad = wanted.is === "bad" ? wanted.why : badSecurityOption(settings);
  if (bad !== undefined) {
    return { severity: "closed", consequence: bad, closes: [serviceKey(service)] };
  }
  if (wanted.is === "none") return { severity: "closed", consequence: `AUTH is not offered: ${wanted.why}` };
  return undefined;
}
