import { splitList } from "../config/syntax/list.ts";
import type { Service } from "../config/service.ts";

/** What is assumed of those who judge content: a session on paper has none, and what they would say is not known. */
export function assumedOfContent({ settings }: Service): readonly string[] {
  return [...assumedOfMilters(settings), ...assumedOfChecks(settings)];
}

function assumedOfMilters(settings: Service["settings"]): readonly string[] {
  if (splitList(settings.receive_override_options).includes("no_milters")) return [];
  return (["smtpd_milters", "smtpd_milter_maps"] as const).filter((name) => settings[name].trim() !== "").map(
    (name) =>
      `milters are not asked, and assumed to have nothing against it: ${name} = ${settings[name].trim()}`,
  );
}

/** The words that judge content, where they stand in the list itself. */
const CONTENT_WORDS = /^check_(?:dkim|dmarc)(?:_access)?$/i;

function assumedOfChecks(settings: Service["settings"]): readonly string[] {
  if (!settings.mail_authentication) return [];
  const words = splitList(settings.smtpd_end_of_data_restrictions).filter((word) => CONTENT_WORDS.test(word));
  const which = words.length === 0 ? "DKIM, ARC and DMARC" : `${[...new Set(words)].join(" and ")}`;
  return [
    `the content is not known: ${which} are assumed to have nothing against it (mail_authentication = yes)`,
  ];
}
