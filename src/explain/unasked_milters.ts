import { splitList } from "../config/syntax/list.ts";
import type { Service } from "../config/service.ts";

/** What is assumed of a service's milters: a session on paper has no content to show them, and what they would say is not known. */
export function assumedOfMilters({ settings }: Service): readonly string[] {
  if (splitList(settings.receive_override_options).includes("no_milters")) return [];
  return (["smtpd_milters", "smtpd_milter_maps"] as const).filter((name) => settings[name].trim() !== "").map(
    (name) =>
      `milters are not asked, and assumed to have nothing against it: ${name} = ${settings[name].trim()}`,
  );
}
