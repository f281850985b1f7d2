import { isPromise } from "../../base/maybe_async.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";

/** A line of a server's reply as it counts (smtp_reply_filter). `relay` is the server, for log lines. */
export type ReplyFilter = (line: string, relay: string) => string;

const TROUBLE = "450 4.3.0 Temporary lookup error";

/** Where the filter tells what it does. */
interface Told {
  readonly parameter: string;
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

/**
 * The tables that change replies, a line at a time, before anything is made of them; undefined where there are none. What cannot be looked
 * up defers the mail. A table of a server is no use here: a reply is read as it comes, and nothing can wait for it.
 */
export function openReplyFilter(
  tables: string,
  openTables: OpenTables,
  { parameter, note, warn }: Told,
): ReplyFilter | undefined {
  const maps = openTables.maps(tables, parameter)?.whole;
  if (maps === undefined) return undefined;
  return (line, relay) => {
    const found = maps.find(line);
    if (isPromise(found)) {
      warn(
        `${relay}: ${parameter}: only tables that answer at once can be used, none of a server: ${tables}`,
      );
      return TROUBLE;
    }
    if (found.is === "absent") return line;
    if (found.is === "trouble") {
      warn(`${relay}: ${parameter} lookup error for ${line}: ${found.why}`);
      return TROUBLE;
    }
    note(`${relay}: replacing server reply "${line}" with "${found.value}"`);
    return found.value;
  };
}
