import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { cipherListProblem } from "../platform/socket/tls_context.ts";
import type { Unusable } from "./protocols.ts";

/** The parameters that say what a grade is. */
export const CIPHER_PARAMETERS = [
  "tls_high_cipherlist",
  "tls_medium_cipherlist",
  "tls_low_cipherlist",
  "tls_export_cipherlist",
  "tls_null_cipherlist",
] as const satisfies readonly ParameterName[];

/** What ciphers one side wants: a grade, and what is taken from it (lists such as smtpd_tls_exclude_ciphers). */
export interface WantedCiphers {
  readonly grade: string;
  readonly exclude: readonly string[];
}

const GRADES = {
  high: "tls_high_cipherlist",
  medium: "tls_medium_cipherlist",
  low: "tls_low_cipherlist",
  export: "tls_export_cipherlist",
  null: "tls_null_cipherlist",
} as const;

/** BoringSSL has no security levels, and refuses a list that sets one. */
const SECURITY_LEVEL = /[:, ]*@SECLEVEL=\d+/g;

/** The OpenSSL cipher list for the versions before TLS 1.3, whose suites are fixed (postconf(5), smtpd_tls_ciphers). */
export function cipherList(
  settings: SettingsOf<typeof CIPHER_PARAMETERS>,
  { grade, exclude }: WantedCiphers,
): { readonly ciphers: string } | Unusable {
  const name = grade.toLowerCase();
  if (!Object.hasOwn(GRADES, name)) return { problem: `invalid cipher grade: "${grade}"` };
  const base = settings[GRADES[name as keyof typeof GRADES]].replace(SECURITY_LEVEL, "");
  const excluded = exclude.flatMap((list) => list.split(/[, \t\r\n:]+/)).filter((word) => word !== "");
  const modified = excluded.find((word) => /^[!+@-]/.test(word));
  if (modified !== undefined) {
    return { problem: `invalid unary '!+-@' in cipher exclusion: ${modified}` };
  }
  const ciphers = [base, ...excluded.map((word) => `!${word}`)].join(":");
  if (cipherListProblem(ciphers) === undefined) return { ciphers };
  return { problem: `error setting cipher grade: "${grade}"` };
}
