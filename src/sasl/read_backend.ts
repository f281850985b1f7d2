import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { ConnectTo } from "../platform/socket/connection.ts";
import { parseEndpoint } from "../table/remote/server_endpoint.ts";
import { type CyrusWants, readCyrus, type ReadText } from "./cyrus/read_cyrus.ts";
import { INTERNAL_SASL_PARAMETERS } from "./internal/internal_backend.ts";
import { OAUTH_PARAMETERS, type OAuthSettings, readOAuth } from "./oauth/oauth_settings.ts";

/** The parameters that say who knows the users. */
export const BACKEND_PARAMETERS = [
  "smtpd_sasl_auth_enable",
  "smtpd_sasl_type",
  "smtpd_sasl_path",
  "cyrus_sasl_config_path",
  "config_directory",
  "queue_directory",
  ...INTERNAL_SASL_PARAMETERS,
  ...OAUTH_PARAMETERS,
] as const satisfies readonly ParameterName[];

/** Their values. */
export type BackendSettings = SettingsOf<typeof BACKEND_PARAMETERS>;

/** What smtpd_sasl_type and smtpd_sasl_path come to. */
export type WantedBackend =
  | { readonly is: "dovecot"; readonly name: string; readonly to: ConnectTo }
  | { readonly is: "cyrus"; readonly wants: Extract<CyrusWants, { readonly is: "saslauthd" }> }
  | { readonly is: "internal"; readonly oauth: OAuthSettings | undefined }
  /** It needs what is not there here: nobody can log in, and AUTH is not offered. */
  | { readonly is: "none"; readonly why: string }
  /** Postfix's smtpd would not start. */
  | { readonly is: "bad"; readonly why: string };

type Read = (settings: BackendSettings, read: ReadText) => WantedBackend;

/** `inet:host:port`, or a unix socket with or without `unix:`, from the queue directory. */
function readDovecot({ smtpd_sasl_path: name, queue_directory: queue }: BackendSettings): WantedBackend {
  const endpoint = parseEndpoint(/^(?:inet|unix):/.test(name) ? name : `unix:${name}`, queue);
  return endpoint.is === "bad"
    ? { is: "bad", why: `smtpd_sasl_path: ${endpoint.why}` }
    : { is: "dovecot", name, to: endpoint.to };
}

/** Beside main.cf, as Debian has it, and where Cyrus itself looks (cyrus_sasl_config_path). */
function foldersOf({ cyrus_sasl_config_path: given, config_directory }: BackendSettings): string[] {
  const folders = given.split(":").filter((folder) => folder !== "");
  return folders.length > 0 ? folders : [`${config_directory}/sasl`, "/etc/sasl2", "/usr/lib/sasl2"];
}

/** The files that may say what Cyrus is to do: on some systems only root may read them. */
export function cyrusFiles(settings: BackendSettings): string[] {
  if (!settings.smtpd_sasl_auth_enable || settings.smtpd_sasl_type !== "cyrus") return [];
  return foldersOf(settings).map((folder) => `${folder}/${settings.smtpd_sasl_path}.conf`);
}

const readCyrusBackend: Read = (settings, read) => {
  const { smtpd_sasl_path: name, queue_directory: queueDirectory } = settings;
  const wants = readCyrus({ name, folders: foldersOf(settings), queueDirectory }, read);
  if (wants.is === "saslauthd") return { is: "cyrus", wants };
  return { is: wants.is, why: `smtpd_sasl_type = cyrus: ${wants.why}` };
};

function readInternal(settings: BackendSettings): WantedBackend {
  const oauth = readOAuth(settings);
  return oauth !== undefined && "why" in oauth ? { is: "bad", why: oauth.why } : { is: "internal", oauth };
}

/** smtpd_sasl_type. */
const TYPES: Readonly<Record<string, Read>> = {
  cyrus: readCyrusBackend,
  dovecot: readDovecot,
  internal: readInternal,
};

/** Reads who knows the users of a service with smtpd_sasl_auth_enable; nobody is asked. */
export function readBackend(settings: BackendSettings, read: ReadText): WantedBackend {
  const type = settings.smtpd_sasl_type;
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (known !== undefined) return known(settings, read);
  const names = Object.keys(TYPES).join(", ");
  return { is: "bad", why: `unsupported SASL server implementation: ${type} (smtpd_sasl_type: ${names})` };
}
