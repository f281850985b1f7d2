import type { Service } from "./service.ts";

/** The smtpd that serves an entry's connections: itself, or for postscreen the one of type pass behind it (postscreen(8)). */
export function smtpdBehind(service: Service, services: readonly Service[]): Service {
  if (service.program !== "postscreen") return service;
  return services.find(({ type, program }) => type === "pass" && program === "smtpd") ?? service;
}
