import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { HeaderPlace } from "../message/mime_walker.ts";
import type { MessageKind } from "../queue/envelope.ts";
import type { OpenMaps, OpenTables } from "../rewrite/open_tables.ts";

/** The parameters of content checks. */
export const CHECK_PARAMETERS = [
  "header_checks",
  "milter_header_checks",
  "mime_header_checks",
  "nested_header_checks",
  "body_checks",
  "body_checks_size_limit",
  "disable_mime_input_processing",
  "internal_mail_filter_classes",
  "line_length_limit",
  "receive_override_options",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type CheckParameters = SettingsOf<typeof CHECK_PARAMETERS>;

/** The tables that content is held against (header_checks(5)). */
export interface ContentChecks {
  readonly header: OpenMaps | undefined;
  readonly mime: OpenMaps | undefined;
  readonly nested: OpenMaps | undefined;
  readonly body: OpenMaps | undefined;
  /** Bytes of each body that are looked at; 0 = all. */
  readonly bodyLimit: number;
  /** Longest piece of a line that is looked at. */
  readonly lineLimit: number;
  /** Parts are looked into. */
  readonly parseMime: boolean;
  /** Parts are looked into, and a message that is nested too deeply for that is refused. */
  readonly refusesDeep: boolean;
  /** Kinds of mail made here that are checked too (internal_mail_filter_classes). */
  readonly kinds: ReadonlySet<string>;
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
    refusesDeep: !settings.disable_mime_input_processing && (header ?? mime ?? nested) !== undefined,
    kinds: new Set(splitList(settings.internal_mail_filter_classes)),
  };
}

const MIME_FIELDS: ReadonlySet<string> = new Set([
  "content-description",
  "content-disposition",
  "content-id",
  "content-transfer-encoding",
  "content-type",
  "mime-version",
]);

/** The table for a field: those of MIME have one of their own, wherever they stand (header_checks(5)). */
export function tableFor(
  checks: Pick<ContentChecks, "header" | "mime" | "nested">,
  place: HeaderPlace,
  name: string,
): OpenMaps | undefined {
  if (place === "part" || MIME_FIELDS.has(name)) return checks.mime;
  return place === "nested" ? checks.nested : checks.header;
}

/** Whether content of that kind is checked: what is made here passes, but for notices where they are to be checked. */
export function isChecked(kind: MessageKind | undefined, kinds: ReadonlySet<string>): boolean {
  return kind === undefined || ((kind === "bounce" || kind === "notify") && kinds.has(kind));
}

/** The checks that a message is held against. */
export function checksFor(
  checks: ContentChecks | undefined,
  kind: MessageKind | undefined,
): ContentChecks | undefined {
  return checks !== undefined && isChecked(kind, checks.kinds) ? checks : undefined;
}
