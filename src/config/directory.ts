import { isReadableFile } from "../platform/file/small_files.ts";

/** Where to look when nobody says. */
const CANDIDATES = ["/etc/mta", "/etc/postfix"] as const;

/**
 * The configuration directory: `-c`, else MAIL_CONFIG, else /etc/mta where that has a main.cf, else /etc/postfix. The path
 * is as given; the service makes it absolute.
 */
export function configurationDirectory(
  option: string | undefined,
  environment: (name: string) => string | undefined,
  hasMainCf: (directory: string) => boolean = (directory) => isReadableFile(`${directory}/main.cf`),
): string {
  const named = option ?? environment("MAIL_CONFIG");
  if (named !== undefined && named !== "") return named;
  return CANDIDATES.find(hasMainCf) ?? CANDIDATES[CANDIDATES.length - 1]!;
}
