import type { Configuration } from "../../config/service.ts";
import { cachePlace } from "../../verify/open_cache.ts";
import type { Finding } from "./finding.ts";

/** What of address verification cannot be done as configured (ADDRESS_VERIFICATION_README). */
export function checkVerification({ settings: main, services, directory }: Configuration): Finding[] {
  const findings: Finding[] = [];
  const settings = services.find(({ program }) => program === "verify")?.settings ?? main;
  const { address_verify_sender: sender } = settings;
  if (sender.startsWith("@") || sender.endsWith("@")) {
    const where = sender.startsWith("@") ? "start" : "end";
    findings.push({
      severity: "closed",
      text:
        `${directory}/main.cf: parameter address_verify_sender: value "${sender}" must not ${where} with '@'`,
    });
  }
  const place = cachePlace(settings);
  if (place.is === "file" && place.remark !== undefined) {
    findings.push({ severity: "warning", text: `${directory}/main.cf: ${place.remark}` });
  }
  return findings;
}
