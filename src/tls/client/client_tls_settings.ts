import type { SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import { CIPHER_PARAMETERS } from "../ciphers.ts";
import { GROUP_PARAMETERS } from "../groups.ts";
import { type ClientLevel, clientLevel } from "../client_policy.ts";
import { type TlsLogPart, tlsLogParts } from "../log_level.ts";

/** What the client's parameters of TLS are called behind `smtp_` and `lmtp_`. */
const PER_PROGRAM = [
  "enforce_tls",
  "starttls_timeout",
  "tls_CAfile",
  "tls_CApath",
  "tls_block_early_mail_reply",
  "tls_ciphers",
  "tls_connection_reuse",
  "tls_enforce_peername",
  "tls_exclude_ciphers",
  "tls_fingerprint_cert_match",
  "tls_fingerprint_digest",
  "tls_loglevel",
  "tls_loglevel_maps",
  "tls_mandatory_ciphers",
  "tls_mandatory_exclude_ciphers",
  "tls_mandatory_protocols",
  "tls_note_starttls_offer",
  "tls_per_site",
  "tls_policy_maps",
  "tls_protocols",
  "tls_scert_verifydepth",
  "tls_secure_cert_match",
  "tls_security_level",
  "tls_servername",
  "tls_session_cache_database",
  "tls_session_cache_timeout",
  "tls_trust_anchor_file",
  "tls_verify_cert_match",
  "tls_wrappermode",
  "use_tls",
] as const;

type Suffix = (typeof PER_PROGRAM)[number];
type Program = "smtp" | "lmtp";

type ProgramParameter = `${Program}_${Suffix}`;

/** The client's own parameters of TLS. */
export const CLIENT_TLS_PARAMETERS: readonly ProgramParameter[] = PER_PROGRAM.flatMap((
  suffix,
): ProgramParameter[] => [`smtp_${suffix}`, `lmtp_${suffix}`]);

/** Those of both sides that it goes by. */
export const SHARED_TLS_PARAMETERS = [
  "tls_append_default_CA",
  ...CIPHER_PARAMETERS,
  ...GROUP_PARAMETERS,
] as const;

/** Their values. */
export type ClientTlsParameters =
  & SettingsOf<readonly ProgramParameter[]>
  & SettingsOf<typeof SHARED_TLS_PARAMETERS>;

/** The client's settings of TLS under one name for both programs, taken apart. */
export interface ClientTlsSettings {
  readonly program: Program;
  /** Where no table says otherwise. */
  readonly level: ClientLevel;
  readonly wrapperMode: boolean;
  readonly noteOffer: boolean;
  readonly blockEarlyMailReply: boolean;
  /** Milliseconds. */
  readonly startTlsTimeout: number;
  readonly authorities: { readonly file: string; readonly folder: string; readonly appendSystem: boolean };
  readonly verifyDepth: number;
  readonly fingerprintDigest: string;
  readonly optional: Strength;
  readonly mandatory: Strength;
  readonly verifyMatch: readonly string[];
  readonly secureMatch: readonly string[];
  readonly fingerprints: string;
  readonly trustAnchorFiles: readonly string[];
  readonly serverName: string;
  readonly connectionReuse: boolean;
  readonly cachesSessions: boolean;
  /** Milliseconds. */
  readonly sessionLifetime: number;
  /** Of servers that no table names (smtp_tls_loglevel_maps). */
  readonly log: ReadonlySet<TlsLogPart>;
  /** What a cipher grade is. */
  readonly grades: SettingsOf<typeof CIPHER_PARAMETERS>;
  readonly groups: SettingsOf<typeof GROUP_PARAMETERS>;
}

/** How strong TLS is to be at some levels. */
interface Strength {
  readonly protocols: string;
  readonly ciphers: string;
  readonly exclude: readonly string[];
}

/** Reads the parameters of one service; seconds become milliseconds. */
export function clientTlsSettings(program: Program, s: ClientTlsParameters): ClientTlsSettings {
  const of = <S extends Suffix>(suffix: S) => s[`${program}_${suffix}`];
  const exclude = of("tls_exclude_ciphers");
  return {
    program,
    level: generalLevel(
      of("tls_security_level"),
      of("enforce_tls"),
      of("tls_enforce_peername"),
      of("use_tls"),
    ),
    wrapperMode: of("tls_wrappermode"),
    noteOffer: of("tls_note_starttls_offer"),
    blockEarlyMailReply: of("tls_block_early_mail_reply"),
    startTlsTimeout: 1000 * of("starttls_timeout"),
    authorities: {
      file: of("tls_CAfile"),
      folder: of("tls_CApath"),
      appendSystem: s.tls_append_default_CA,
    },
    verifyDepth: of("tls_scert_verifydepth"),
    fingerprintDigest: of("tls_fingerprint_digest"),
    optional: { protocols: of("tls_protocols"), ciphers: of("tls_ciphers"), exclude: [exclude] },
    mandatory: {
      protocols: of("tls_mandatory_protocols"),
      ciphers: of("tls_mandatory_ciphers"),
      exclude: [exclude, of("tls_mandatory_exclude_ciphers")],
    },
    verifyMatch: matchWords(of("tls_verify_cert_match")),
    secureMatch: matchWords(of("tls_secure_cert_match")),
    fingerprints: of("tls_fingerprint_cert_match"),
    trustAnchorFiles: splitList(of("tls_trust_anchor_file")),
    serverName: of("tls_servername"),
    connectionReuse: of("tls_connection_reuse"),
    cachesSessions: of("tls_session_cache_database") !== "",
    sessionLifetime: 1000 * of("tls_session_cache_timeout"),
    log: tlsLogParts(of("tls_loglevel")),
    grades: s,
    groups: s,
  };
}

/** The older switches count while smtp_tls_security_level is empty; a word that is no level is found by the checker. */
function generalLevel(word: string, enforce: boolean, peerName: boolean, use: boolean): ClientLevel {
  if (word !== "") return clientLevel(word) ?? "secure";
  if (enforce) return peerName ? "verify" : "encrypt";
  return use ? "may" : "none";
}

function matchWords(list: string): readonly string[] {
  return list.split(/[, \t\r\n:]+/).filter((word) => word !== "");
}
