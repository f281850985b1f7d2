import type { Configuration } from "../../config/service.ts";
import { cachePlace } from "../../verify/open_cache.ts";
import type { Finding } from "./finding.ts";

/** What of address verification cannot be done as configured (ADDRESS_VERIFICATION_README). */
export function checkVerification({ settings: main, services, directory }: Configuration): Finding[] {
  const settings = services.find(({ program }) => program === "verify")?.settings ?? main;
  const place = cachePlace(settings);
  if (place.is !== "file" || place.remark === undefined) return [];
  return [{ severity: "warning", text: `${directory}/main.cf: ${place.remark}` }];
}
