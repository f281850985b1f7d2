import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";

/** What may be done about a firewall that rewrites SMTP, in the order in which the log names them. */
const WORKAROUNDS = ["disable_esmtp", "delay_dotcrlf"] as const;

/** One of them. */
export type PixWorkaround = (typeof WORKAROUNDS)[number];

/** smtp_pix_workarounds and its kin; times in milliseconds. */
export interface PixSettings {
  readonly workarounds: string;
  readonly maps: string;
  readonly threshold: number;
  readonly delay: number;
}

/** The workarounds for a server. */
export type PixFor = (address: string) => MaybeAsync<readonly PixWorkaround[]>;

/** Whether a greeting is what such a firewall makes of it: nothing but asterisks, and the twos and zeros of its code. */
export function isPixGreeting({ lines }: ServerReply): boolean {
  return lines.every((line) => /^[20 *\t]*$/.test(line));
}

/** The names in a list; others are warned of, and have no effect. */
function namedIn(list: string, warn: (text: string) => void): readonly PixWorkaround[] {
  const words = splitList(list).map((word) => word.toLowerCase());
  const unknown = words.filter((word) => !WORKAROUNDS.some((known) => known === word));
  if (unknown.length > 0) warn(`unknown PIX workaround name "${unknown.join(" ")}" in "${list}"`);
  return WORKAROUNDS.filter((known) => words.includes(known));
}

/** Opens the table of servers (smtp_pix_workaround_maps); what it cannot tell is as for the others. */
export function openPixWorkarounds(
  { workarounds, maps }: PixSettings,
  openTables: OpenTables | undefined,
  { parameter, warn }: { readonly parameter: string; readonly warn: (text: string) => void },
): PixFor {
  const general = namedIn(workarounds, warn);
  const table = openTables?.maps(maps, parameter)?.whole;
  if (table === undefined) return () => general;
  return (address) =>
    then(table.find(address), (answer) => {
      if (answer.is === "found") return namedIn(answer.value, warn);
      if (answer.is === "trouble") warn(`${parameter} lookup error for "${address}": ${answer.why}`);
      return general;
    });
}
