import { reportKeys } from "../../cleanup/signing/report_keys.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isOpenToAll } from "../../platform/file/private_file.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { MailWorld } from "../../worker/services/mail_world.ts";
import type { Finding } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

/** What changes content behind the signature, of smtp(8) and lmtp(8). */
const CHANGING = [
  "generic_maps",
  "header_checks",
  "mime_header_checks",
  "nested_header_checks",
  "body_checks",
];

const signs = (settings: Service["settings"]) => splitList(settings.dkim_signing_keys).length > 0;

/** Settings that spoil signatures, as far as main.cf and master.cf say. */
export function checkSigning(configuration: Configuration): Finding[] {
  if (!signs(configuration.settings)) return [];
  const clients = configuration.services.filter(({ program }) => program === "smtp" || program === "lmtp");
  const seen = new Set<string>();
  return clients.flatMap((service) =>
    CHANGING.map((name) => `${service.program}_${name}`).flatMap((parameter): Finding[] => {
      if (splitList(service.parameter(parameter) ?? "").length === 0) return [];
      const place = placeOf(parameter, service, configuration);
      const consequence =
        `${parameter} changes mail that is signed already (dkim_signing_keys): signatures of what it changes fail; change it ` +
        "before, by canonical_maps, header_checks or a filter";
      const text = `${placeText(place)}: ${consequence}`;
      if (seen.has(text)) return [];
      seen.add(text);
      return [{ severity: "warning", text, consequence, parameter, ...place }];
    })
  );
}

/** Keys that nobody finds, and others that are no good. */
export async function checkSigningKeys(
  { directory, settings }: Configuration,
  { resolver, openTables }: Pick<MailWorld, "resolver" | "openTables">,
  files: Pick<TlsFiles, "read">,
): Promise<Finding[]> {
  if (!signs(settings)) return [];
  const file = `${directory}/main.cf`;
  const parameter = "dkim_signing_keys";
  const world = { resolver, openTables, read: (path: string) => files.read(path), isOpenToAll };
  const { keys, problems, notes } = await reportKeys(settings, world);
  const found = [
    ...problems,
    ...notes,
    ...keys.flatMap((key) => key.problems.map(({ text, fix }) => `${text}; ${fix}`)),
  ];
  return found.map((consequence): Finding => ({
    severity: "warning",
    text: `${file}: ${consequence}`,
    consequence,
    file,
    parameter,
  }));
}
