import { splitList } from "../config/syntax/list.ts";
import type { Settings } from "../config/parameters/settings_type.ts";
import type { OpenMaps, OpenTables } from "../rewrite/open_tables.ts";

/** The parameters of content checks. */
export type CheckParameters = Pick<
  Settings,
  | "header_checks"
  | "mime_header_checks"
  | "nested_header_checks"
  | "body_checks"
  | "body_checks_size_limit"
  | "disable_mime_input_processing"
  | "internal_mail_filter_classes"
  | "line_length_limit"
  | "mime_nesting_limit"
  | "receive_override_options"
>;

/** The tables that content is held against (header_checks(5)). */
export interface ContentChecks {
  readonly header: OpenMaps | undefined;
  readonly mime: OpenMaps | undefined;
  readonly nested: OpenMaps | undefined;
  readonly body: OpenMaps | undefined;
  /** Bytes of each body part that are looked at. */
  readonly bodyLimit: number;
  /** Longest piece of a line that is looked at. */
  readonly lineLimit: number;
  /** Parts are looked into. */
  readonly parseMime: boolean;
  readonly nestingLimit: number;
  /** Notices made here are checked too. */
  readonly notices: boolean;
}

/** Opens the tables; undefined when there is nothing to check. */
export function openContentChecks(
  settings: CheckParameters,
  openTables: OpenTables,
): ContentChecks | undefined {
  if (splitList(settings.receive_override_options).includes("no_header_body_checks")) return undefined;
  const header = openTables.maps(settings.header_checks, "header_checks");
  const mime = openTables.maps(settings.mime_header_checks, "mime_header_checks");
  const nested = openTables.maps(settings.nested_header_checks, "nested_header_checks");
  const body = openTables.maps(settings.body_checks, "body_checks");
  if (header === undefined && mime === undefined && nested === undefined && body === undefined) {
    return undefined;
  }
  return {
    header,
    mime,
    nested,
    body,
    bodyLimit: settings.body_checks_size_limit,
    lineLimit: settings.line_length_limit,
    parseMime: !settings.disable_mime_input_processing,
    nestingLimit: settings.mime_nesting_limit,
    notices: splitList(settings.internal_mail_filter_classes).includes("bounce"),
  };
}

/** Whether a header is one of MIME's own (RFC 2045 §3). */
export function isMimeHeader(name: string): boolean {
  return name.startsWith("content-") || name === "mime-version";
}

/** The checks that a message is held against: those made here pass by, unless notices are to be checked. */
export function checksFor(
  checks: ContentChecks | undefined,
  kind: "mail" | "bounce" | "probe" | undefined,
): ContentChecks | undefined {
  return kind === undefined || (kind === "bounce" && checks?.notices) ? checks : undefined;
}
