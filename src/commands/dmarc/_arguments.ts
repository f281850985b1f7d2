/** What was asked for. */
export interface ReportsRequest {
  /** Files, folders, or `-`. */
  readonly paths: readonly string[];
  readonly json: boolean;
  /** Reports that end before it are left out, in seconds since 1970. */
  readonly since: number | undefined;
  /** Reports about this domain and those below it. */
  readonly domain: string | undefined;
}

export const DMARC_HELP = `usage: mta [-c config_dir] dmarc reports [options] [FILE|DIRECTORY|-]...

shows the aggregate reports about our domains that came in (RFC 9990, RFC 7489)

  FILE              a message, an mbox file, or a report: .xml, .xml.gz, .zip
  DIRECTORY         a Maildir, or a folder of such files
  -                 standard input
                    without any of them: dmarc_report_mailbox
  --since WHEN      from a day on (2026-11-30), or so many days or weeks back
                    (7d, 4w)
  --domain DOMAIN   of one domain and those below it
  --json            one object
`;

const DAY = 86_400;
const UNITS: Readonly<Record<string, number>> = { d: DAY, w: 7 * DAY };

/** Reads the words behind `mta dmarc`. `now` in seconds since 1970. */
export function parseDmarcArguments(
  args: readonly string[],
  now: number,
): ReportsRequest | "help" | { readonly why: string } {
  if (args.length === 0 || args.some((arg) => arg === "--help" || arg === "-h")) return "help";
  const [action, ...words] = args;
  if (action !== "reports") return { why: `unknown argument: "${action}"` };
  const paths: string[] = [];
  let [json, since, domain]: [boolean, number | undefined, string | undefined] = [
    false,
    undefined,
    undefined,
  ];
  for (let at = 0; at < words.length; at++) {
    const [option, inline] = optionOf(words[at]!);
    if (option === undefined) paths.push(words[at]!);
    else if (option === "--json") json = true;
    else if (option !== "--since" && option !== "--domain") return { why: `unknown option: ${option}` };
    else {
      const value = inline ?? words[++at];
      if (value === undefined || value === "") return { why: `${option} wants a value` };
      if (option === "--domain") domain = value.toLowerCase().replace(/\.$/, "");
      else since = sinceOf(value, now);
      if (option === "--since" && since === undefined) {
        return { why: `--since: no day and no time back: ${value}` };
      }
    }
  }
  return { paths, json, since, domain };
}

/** An option and what is behind its `=`; undefined for a path. */
function optionOf(word: string): readonly [option: string | undefined, value: string | undefined] {
  if (!word.startsWith("-") || word === "-") return [undefined, undefined];
  const equals = word.indexOf("=");
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function sinceOf(text: string, now: number): number | undefined {
  const [, number, unit] = /^([0-9]{1,5})([dw])$/.exec(text) ?? [];
  if (number !== undefined) return now - Number(number) * UNITS[unit!]!;
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return Number.isNaN(day) ? undefined : day / 1000;
}
