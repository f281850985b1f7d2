import type { Service } from "./service.ts";

/**
 * The smtpd that serves an entry's connections: itself, or for postscreen the one of type pass that smtpd_service_name names
 * (postscreen(8)). Without that one the entry itself: it serves nobody.
 */
export function smtpdBehind(service: Service, services: readonly Service[]): Service {
  if (service.program !== "postscreen") return service;
  const name = service.settings.smtpd_service_name;
  return services.find((each) => each.type === "pass" && each.program === "smtpd" && each.name === name) ??
    service;
}
