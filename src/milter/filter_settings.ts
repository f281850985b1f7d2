import { splitListRaw, stripBraces } from "../config/syntax/list.ts";
import { parseTime } from "../config/syntax/value.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** The parameters of filters, whoever asks them. */
export const FILTER_PARAMETERS = [
  "milter_command_timeout",
  "milter_connect_timeout",
  "milter_content_timeout",
  "milter_connect_macros",
  "milter_data_macros",
  "milter_default_action",
  "milter_end_of_data_macros",
  "milter_end_of_header_macros",
  "milter_helo_macros",
  "milter_macro_daemon_name",
  "milter_macro_defaults",
  "milter_macro_v",
  "milter_mail_macros",
  "milter_protocol",
  "milter_rcpt_macros",
  "milter_unknown_command_macros",
  "myhostname",
  "queue_directory",
  "soft_bounce",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type FilterParameters = SettingsOf<typeof FILTER_PARAMETERS>;

/** A filter as smtpd_milters names it, with the settings that hold for it; times in milliseconds. */
export interface FilterSettings {
  /** `inet:host:port`, `unix:path`. */
  readonly name: string;
  readonly connectTimeout: number;
  readonly commandTimeout: number;
  readonly contentTimeout: number;
  readonly protocol: string;
  readonly defaultAction: string;
  /** It cannot be asked: the list is not written as one. */
  readonly flaw?: string;
}

/** Own settings in braces, by the parameters that they stand for without `milter_`. */
interface Own {
  connect_timeout?: number;
  command_timeout?: number;
  content_timeout?: number;
  protocol?: string;
  default_action?: string;
}

const TIMES: ReadonlySet<string> = new Set(["connect_timeout", "command_timeout", "content_timeout"]);

/**
 * Reads a list of filters: `inet:host:port`, `{ inet:host:port, default_action=accept, ... }`. One that is not written as a list stands
 * for a filter that cannot be asked, whatever is to be done then: nobody knows which ones were meant.
 */
export function readFilters(text: string, general: FilterParameters): readonly FilterSettings[] {
  try {
    return readList(text, general);
  } catch (error) {
    return [{
      ...withSettings(text, { default_action: "tempfail" }, general),
      flaw: (error as Error).message,
    }];
  }
}

/** Throws what is wrong with the list. */
function readList(text: string, general: FilterParameters): readonly FilterSettings[] {
  return splitListRaw(text).map((item) => {
    if (!item.startsWith("{")) return withSettings(item, {}, general);
    const inner = stripBraces(item);
    if (typeof inner !== "string") throw new Error(`milter service syntax error: ${inner.text}`);
    const [name, ...attributes] = splitListRaw(inner);
    if (name === undefined) throw new Error(`empty milter definition: "${text}"`);
    const own: Own = {};
    for (const attribute of attributes) readAttribute(attribute, own);
    return withSettings(name, own, general);
  });
}

function readAttribute(written: string, own: Own): void {
  const inner = written.startsWith("{") ? stripBraces(written) : written;
  const match = typeof inner === "string" ? /^(\w+)\s*=\s*([^]*?)\s*$/.exec(inner) : null;
  if (match === null) throw new Error(`milter service syntax error: missing '=' in "${written}"`);
  const [, name = "", value = ""] = match;
  if (name === "protocol" || name === "default_action") own[name] = value;
  else if (TIMES.has(name)) own[name as "connect_timeout"] = readTime(name, value);
  else throw new Error(`milter service syntax error: unknown attribute ${name} in "${written}"`);
}

function readTime(name: string, text: string): number {
  const seconds = parseTime(text, "s");
  if (seconds === undefined || seconds < 1) throw new Error(`bad time value or unit: ${name} = ${text}`);
  return seconds;
}

function withSettings(name: string, own: Own, general: FilterParameters): FilterSettings {
  return {
    name,
    connectTimeout: 1000 * (own.connect_timeout ?? general.milter_connect_timeout),
    commandTimeout: 1000 * (own.command_timeout ?? general.milter_command_timeout),
    contentTimeout: 1000 * (own.content_timeout ?? general.milter_content_timeout),
    protocol: own.protocol ?? general.milter_protocol,
    defaultAction: own.default_action ?? general.milter_default_action,
  };
}
