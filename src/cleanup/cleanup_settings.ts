import { splitList } from "../config/syntax/list.ts";
import { type WalkLimits, walkLimits } from "../message/mime_walker.ts";
import { MIME_RULE_PARAMETERS, readMimeRules, type WantedRules } from "./mime_rules.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { NameForm } from "../message/full_name.ts";
import type { TlsFieldSettings } from "./tls_fields.ts";

/** The parameters that cleanup reads. */
export const CLEANUP_PARAMETERS = [
  "always_add_missing_headers",
  "detect_8bit_encoding_header",
  "always_bcc",
  "enable_long_queue_ids",
  "fold_long_headers",
  "force_mime_input_conversion",
  "full_name_encoding_charset",
  "header_from_format",
  "header_address_token_limit",
  "header_size_limit",
  "hopcount_limit",
  "internal_mail_filter_classes",
  "line_length_limit",
  "lmtp_line_length_limit",
  "message_drop_headers",
  "message_size_limit",
  "mime_boundary_length_limit",
  "mime_nesting_limit",
  "myhostname",
  "requiretls_enable",
  "requiretls_esmtp_header",
  "smtp_line_length_limit",
  "smtputf8_autodetect_classes",
  "smtputf8_enable",
  "tls_required_enable",
  "undisclosed_recipients_header",
  "verp_delimiter_filter",
  ...MIME_RULE_PARAMETERS,
] as const satisfies readonly ParameterName[];

/** Their values. */
export type CleanupParameters = SettingsOf<typeof CLEANUP_PARAMETERS>;

/** The same, ready for use. */
export interface CleanupSettings {
  readonly alwaysComplete: boolean;
  readonly detectsEightBit: boolean;
  readonly alwaysBcc: string;
  readonly longIds: boolean;
  readonly addressLimit: number;
  /** Bytes of a header line that a client sends without a cut; 0: any, or lines are not to be folded (fold_long_headers). */
  readonly headerLineLimit: number;
  readonly headerSizeLimit: number;
  readonly hopcountLimit: number;
  readonly walkLimits: WalkLimits;
  /** Declared 8-bit text becomes quoted-printable (force_mime_input_conversion). */
  readonly convertsInput: boolean;
  readonly mimeRules: WantedRules;
  /** Kinds of mail made here that are checked too (internal_mail_filter_classes). */
  readonly checkedKinds: ReadonlySet<string>;
  /** Lower case. */
  readonly dropped: ReadonlySet<string>;
  readonly messageSizeLimit: number;
  readonly myhostname: string;
  readonly noMappings: boolean;
  readonly nameForm: NameForm;
  /** smtputf8_autodetect_classes; empty without smtputf8_enable. */
  readonly detectsUtf8: ReadonlySet<string>;
  readonly tlsFields: TlsFieldSettings;
  readonly undisclosedHeader: string;
  readonly verpFilter: string;
}

/** Reads cleanup's settings. */
export function readCleanupSettings(settings: CleanupParameters): CleanupSettings {
  return {
    alwaysComplete: settings.always_add_missing_headers,
    detectsEightBit: settings.detect_8bit_encoding_header,
    alwaysBcc: settings.always_bcc,
    longIds: settings.enable_long_queue_ids,
    addressLimit: settings.header_address_token_limit,
    headerLineLimit: headerLineLimit(settings),
    headerSizeLimit: settings.header_size_limit,
    hopcountLimit: settings.hopcount_limit,
    walkLimits: walkLimits(settings, settings.line_length_limit),
    convertsInput: settings.force_mime_input_conversion,
    mimeRules: readMimeRules(settings),
    checkedKinds: new Set(splitList(settings.internal_mail_filter_classes)),
    dropped: new Set(splitList(settings.message_drop_headers).map((name) => name.toLowerCase())),
    messageSizeLimit: settings.message_size_limit,
    myhostname: settings.myhostname,
    noMappings: splitList(settings.receive_override_options).includes("no_address_mappings"),
    nameForm: {
      place: settings.header_from_format === "obsolete" ? "comment" : "phrase",
      charset: settings.full_name_encoding_charset,
    },
    detectsUtf8: new Set(settings.smtputf8_enable ? splitList(settings.smtputf8_autodetect_classes) : []),
    tlsFields: {
      tlsRequired: settings.tls_required_enable,
      requireTls: settings.requiretls_enable && settings.requiretls_esmtp_header,
    },
    undisclosedHeader: settings.undisclosed_recipients_header,
    verpFilter: settings.verp_delimiter_filter,
  };
}

/** Where a message goes is not known yet: the shorter limit counts. */
function headerLineLimit(settings: CleanupParameters): number {
  const limits = [settings.smtp_line_length_limit, settings.lmtp_line_length_limit].filter((limit) =>
    limit > 0
  );
  return settings.fold_long_headers && limits.length > 0 ? Math.min(...limits) : 0;
}
