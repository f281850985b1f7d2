import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { parseEndpoint } from "../table/remote/server_endpoint.ts";
import type { AuthBackend } from "./auth_backend.ts";
import type { DovecotWorld } from "./dovecot/auth_connection.ts";
import { createDovecotBackend } from "./dovecot/dovecot_backend.ts";
import { createInternalBackend, INTERNAL_SASL_PARAMETERS } from "./internal/internal_backend.ts";
import type { UserTable } from "./internal/users.ts";
import type { CheckToken } from "./mechanism/oauth.ts";

/** The parameters that say who knows the users. */
export const BACKEND_PARAMETERS = [
  "smtpd_sasl_auth_enable",
  "smtpd_sasl_type",
  "smtpd_sasl_path",
  "queue_directory",
  ...INTERNAL_SASL_PARAMETERS,
] as const satisfies readonly ParameterName[];

/** Their values. */
export type BackendSettings = SettingsOf<typeof BACKEND_PARAMETERS>;

/** What back ends are made with. */
export interface BackendWorld extends DovecotWorld {
  /** The tables of `sasl_users`. */
  users(): UserTable | undefined;
  readonly checkToken: CheckToken | undefined;
}

/** A back end, or why there is none. */
export type OpenedBackend =
  | { readonly is: "backend"; readonly backend: AuthBackend }
  /** Nobody can log in, for want of something that is not there here: AUTH is not offered. */
  | { readonly is: "none"; readonly why: string }
  /** Postfix's smtpd would not start. */
  | { readonly is: "bad"; readonly warnings: readonly string[]; readonly why: string };

type Open = (settings: BackendSettings, world: BackendWorld) => OpenedBackend;

const opened = (backend: AuthBackend): OpenedBackend => ({ is: "backend", backend });
const bad = (warning: string): OpenedBackend => ({
  is: "bad",
  warnings: [warning],
  why: "SASL per-process initialization failed",
});

/** `inet:host:port`, or a unix socket with or without `unix:`, from the queue directory. */
function openDovecot(
  { smtpd_sasl_path: path, queue_directory: queue }: BackendSettings,
  world: BackendWorld,
): OpenedBackend {
  const endpoint = parseEndpoint(/^(?:inet|unix):/.test(path) ? path : `unix:${path}`, queue);
  return endpoint.is === "bad"
    ? bad(`smtpd_sasl_path: ${endpoint.why}`)
    : opened(createDovecotBackend(path, endpoint.to, world));
}

function openCyrus(): OpenedBackend {
  return { is: "none", why: "smtpd_sasl_type = cyrus is not there yet: AUTH is not offered" };
}

function openInternal(settings: BackendSettings, { users, checkToken, clock }: BackendWorld): OpenedBackend {
  const now = () => clock.now();
  return opened(createInternalBackend({ settings, users: users(), checkToken, now }));
}

/** smtpd_sasl_type. */
const TYPES: Readonly<Record<string, Open>> = {
  cyrus: openCyrus,
  dovecot: openDovecot,
  internal: openInternal,
};

/** The words that smtpd_sasl_type may have. */
export const SASL_TYPES: readonly string[] = Object.keys(TYPES);

/** Opens the back end of a service with smtpd_sasl_auth_enable. */
export function openBackend(settings: BackendSettings, world: BackendWorld): OpenedBackend {
  const type = settings.smtpd_sasl_type;
  const open = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  return open?.(settings, world) ?? bad(`unsupported SASL server implementation: ${type}`);
}
