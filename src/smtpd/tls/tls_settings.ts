import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";

/** What a session makes of TLS. */
export interface TlsSettings {
  /** STARTTLS is offered, or TLS begins at once. */
  readonly offered: boolean;
  /** Nothing but a greeting is taken in the clear. */
  readonly demanded: boolean;
  /** TLS begins before the greeting (smtpd_tls_wrappermode). */
  readonly wrapper: boolean;
  /** Nobody logs in in the clear. */
  readonly authOnly: boolean;
  /** Clients are asked for a certificate. */
  readonly askCertificate: boolean;
  /** Whoever has none that is trusted is sent away. */
  readonly requireCertificate: boolean;
  readonly receivedHeader: boolean;
  /** For the whole handshake, in milliseconds. */
  readonly timeout: number;
}

/** The parameters of a session that are about TLS. */
export const SESSION_TLS_PARAMETERS = [
  "smtpd_tls_security_level",
  "smtpd_tls_wrappermode",
  "smtpd_use_tls",
  "smtpd_enforce_tls",
  "smtpd_tls_auth_only",
  "smtpd_tls_ask_ccert",
  "smtpd_tls_req_ccert",
  "smtpd_tls_received_header",
  "smtpd_starttls_timeout",
] as const satisfies readonly ParameterName[];

type Values = SettingsOf<typeof SESSION_TLS_PARAMETERS>;

/** smtpd_tls_security_level, else the older switches; wrapper mode demands TLS whatever they say (postconf(5)). */
function levelOf(settings: Values): "none" | "may" | "encrypt" {
  if (settings.smtpd_tls_wrappermode) return "encrypt";
  switch (settings.smtpd_tls_security_level.toLowerCase()) {
    case "none":
      return "none";
    case "may":
      return "may";
    case "":
      if (settings.smtpd_enforce_tls) return "encrypt";
      return settings.smtpd_use_tls ? "may" : "none";
    default:
      return "encrypt";
  }
}

/** What smtpd(8) says of settings that cannot be followed to the letter, when it starts. */
export function tlsWarnings(settings: Values): readonly string[] {
  const level = settings.smtpd_tls_security_level;
  const isUnknown = !settings.smtpd_tls_wrappermode && !KNOWN_LEVELS.has(level.toLowerCase());
  const { demanded } = readTlsSettings(settings);
  return [
    ...isUnknown ? [`smtpd_tls_security_level: unsupported TLS level "${level}", using "encrypt"`] : [],
    ...settings.smtpd_tls_req_ccert && !demanded ? ["Can't require client certs unless TLS is required"] : [],
  ];
}

const KNOWN_LEVELS: ReadonlySet<string> = new Set(["", "none", "may", "encrypt"]);

/** Reads a service's settings. */
export function readTlsSettings(settings: Values): TlsSettings {
  const level = levelOf(settings);
  const demanded = level === "encrypt";
  const requireCertificate = demanded && settings.smtpd_tls_req_ccert;
  return {
    offered: level !== "none",
    demanded,
    wrapper: settings.smtpd_tls_wrappermode,
    authOnly: demanded || settings.smtpd_tls_auth_only,
    askCertificate: requireCertificate || settings.smtpd_tls_ask_ccert,
    requireCertificate,
    receivedHeader: settings.smtpd_tls_received_header,
    timeout: settings.smtpd_starttls_timeout * 1000,
  };
}
