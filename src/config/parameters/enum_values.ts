/** What words a parameter takes, and how Postfix complains of others. */
export interface EnumRow {
  readonly words: readonly string[];
  /** A list of such words, not one. */
  readonly list?: boolean;
  /** Upper case passes too. */
  readonly anyCase?: boolean;
  /** Empty passes. */
  readonly mayBeEmpty?: boolean;
  /** The complaint begins with the file's path. */
  readonly withPath?: boolean;
  /** Postfix's complaint. */
  readonly complaint: (name: string, word: string, value: string) => string;
}

const unknownValue = (name: string, word: string, value: string) =>
  `unknown ${name} value "${word}" in "${value}"`;
const badValue = (name: string, word: string) => `bad ${name} value: ${word}`;
const invalidLevel = (_name: string, word: string) => `Invalid TLS level "${word}"`;
const invalidQuoted = (name: string, word: string) => `invalid ${name}: "${word}"`;
const badConfiguration = (name: string, word: string) => `bad configuration: ${name} = ${word}`;
const badParameter = (name: string, word: string) => `bad parameter value: '${name} = ${word}'`;

const list = (...words: string[]): EnumRow => ({ words, list: true, complaint: unknownValue });
const word = (complaint: EnumRow["complaint"], ...words: string[]): EnumRow => ({
  words,
  anyCase: true,
  complaint,
});
const optional = (row: EnumRow): EnumRow => ({ ...row, mayBeEmpty: true });

const clientLevel = optional(
  word(invalidLevel, "none", "may", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only"),
);
/** The last three are taken for `encrypt`, with a warning (check/check_server_tls.ts). */
const serverLevel = optional(
  word(invalidLevel, "none", "may", "encrypt", "fingerprint", "verify", "secure"),
);
const errorClasses = list(
  "bounce",
  "2bounce",
  "data",
  "delay",
  "policy",
  "protocol",
  "resource",
  "software",
);
const tempfail = word(badConfiguration, "defer", "defer_if_permit");
const postscreenAction = word(badValue, "ignore", "enforce", "drop");
const receiveOverrides = list(
  "no_unknown_recipient_checks",
  "no_address_mappings",
  "no_header_body_checks",
  "no_milters",
);
const mailSources = ["sendmail", "smtpd", "qmqpd", "forward", "bounce", "notify", "verify", "all"];
const addressPreference = word(badValue, "ipv6", "ipv4", "any");
const verifyTarget = word((name, value) => `bad protocol stage: "${name} = ${value}"`, "rcpt", "data");
const dnsSupport = optional(word(invalidQuoted, "disabled", "enabled", "dnssec"));
const hostLookup = list("dns", "native");
const tlsLog = list(
  ...["0", "none", "1", "routine", "2", "debug", "3", "ssl-expert", "4", "ssl-developer"],
  ...["5", "6", "7", "8", "9", "summary", "untrusted", "peercert", "certmatch", "verbose", "cache", "dane"],
  ...["ssl-debug", "ssl-handshake-packet-dump", "ssl-session-packet-dump"],
);
const cipherGrade = word(
  (_name, value) => `invalid TLS cipher grade: "${value}"`,
  ...["export", "low", "medium", "high", "null"],
);
const proxyOptions = list("speed_adjust");
const haproxy = optional(
  word((name, value) => `unknown ${name} protocol name: ${value}`, "haproxy"),
);
const expansions = list("alias", "forward", "include");

/** Parameters whose values are words of a fixed set. */
const ENUMS: Readonly<Record<string, EnumRow>> = {
  allow_mail_to_commands: expansions,
  allow_mail_to_files: expansions,
  canonical_classes: list(
    ...["envelope_sender", "envelope_recipient", "header_sender", "header_recipient"],
  ),
  header_from_format: word((name, value) => `invalid setting: "${name} = ${value}"`, "standard", "obsolete"),
  info_log_address_format: word(
    (name, value) => `invalid parameter setting "${name} = ${value}"`,
    "external",
    "internal",
  ),
  internal_mail_filter_classes: list("notify", "bounce", "sendmail", "smtpd", "qmqpd", "forward"),
  lmtp_address_preference: addressPreference,
  lmtp_address_verify_target: verifyTarget,
  lmtp_dns_support_level: dnsSupport,
  lmtp_host_lookup: hostLookup,
  lmtp_tls_ciphers: cipherGrade,
  lmtp_tls_loglevel: tlsLog,
  lmtp_tls_mandatory_ciphers: cipherGrade,
  lmtp_tls_security_level: clientLevel,
  log_format: word(badValue, "text", "json"),
  mta_sts_mode: word(badValue, "testing", "enforce", "none"),
  mailbox_delivery_lock: list("flock", "fcntl", "dotlock"),
  masquerade_classes: list("envelope_sender", "envelope_recipient", "header_sender", "header_recipient"),
  notify_classes: errorClasses,
  postscreen_bare_newline_action: postscreenAction,
  postscreen_denylist_action: postscreenAction,
  postscreen_dnsbl_action: postscreenAction,
  postscreen_greet_action: postscreenAction,
  postscreen_non_smtp_command_action: postscreenAction,
  postscreen_pipelining_action: postscreenAction,
  postscreen_tls_security_level: serverLevel,
  postscreen_upstream_proxy_protocol: haproxy,
  prepend_delivered_header: list("command", "file", "forward"),
  propagate_unmatched_extensions: list("canonical", "virtual", "alias", "forward", "include", "generic"),
  receive_override_options: receiveOverrides,
  recipient_canonical_classes: list("envelope_recipient", "header_recipient"),
  reject_tempfail_action: tempfail,
  sendmail_fix_line_endings: {
    ...word((name, value) => `invalid ${name} value: ${value}`, "always", "strict", "never"),
    anyCase: false,
  },
  sender_canonical_classes: list("envelope_sender", "header_sender"),
  smtp_address_preference: addressPreference,
  smtp_address_verify_target: verifyTarget,
  smtp_dns_support_level: dnsSupport,
  smtp_host_lookup: hostLookup,
  smtp_tls_ciphers: cipherGrade,
  smtp_tls_dane_insecure_mx_policy: word(invalidQuoted, "may", "encrypt", "dane"),
  smtp_tls_loglevel: tlsLog,
  smtp_tls_mandatory_ciphers: cipherGrade,
  smtp_tls_security_level: clientLevel,
  smtpd_forbid_bare_newline: word(badParameter, "normalize", "yes", "note", "reject", "no"),
  smtpd_proxy_options: proxyOptions,
  smtpd_tls_ciphers: cipherGrade,
  smtpd_tls_loglevel: tlsLog,
  smtpd_tls_mandatory_ciphers: cipherGrade,
  smtpd_tls_security_level: serverLevel,
  smtpd_upstream_proxy_protocol: haproxy,
  smtputf8_autodetect_classes: list(...mailSources),
  srs_separator: word(badValue, "=", "+", "-"),
  syslog_facility: {
    ...word(
      (name, value) => `parameter ${name}: unrecognized value: ${value}`,
      ...["auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog"],
      ...["user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
    ),
    anyCase: false,
    withPath: true,
  },
  unknown_address_tempfail_action: tempfail,
  unknown_helo_hostname_tempfail_action: tempfail,
  unverified_recipient_tempfail_action: tempfail,
  unverified_sender_tempfail_action: tempfail,
};

/** The complaint about a value, if there is one; `path` is main.cf's. */
export function enumProblem(
  name: string,
  value: string,
  path: string,
): { readonly text: string; readonly expected: string } | undefined {
  const row = Object.hasOwn(ENUMS, name) ? ENUMS[name]! : undefined;
  if (row === undefined) return undefined;
  const known = (each: string) => row.words.includes(row.anyCase ? each.toLowerCase() : each);
  const words = row.list ? value.split(/[, \t\r\n]+/).filter((each) => each !== "") : [value];
  const strange = words.find((each) => !known(each) && !(each === "" && row.mayBeEmpty));
  if (strange === undefined) return undefined;
  const choices = row.words.map((each) => `"${each}"`).join(", ");
  const complaint = row.complaint(name, strange, value);
  return {
    text: row.withPath ? `file ${path}: ${complaint}` : complaint,
    expected: `${row.list ? "any of" : "one of"} ${choices}${row.mayBeEmpty ? ", or nothing" : ""}`,
  };
}
