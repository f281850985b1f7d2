import { randomInt } from "../../platform/crypto/digest.ts";
import { systemClock } from "../../base/clock.ts";
import type { Service } from "../../config/service.ts";
import type { Log } from "../../observe/log.ts";
import { connect } from "../../platform/socket/connection.ts";
import type { AuthBackend } from "../../sasl/auth_backend.ts";
import { BACKEND_PARAMETERS, type BackendWorld, openBackend } from "../../sasl/open_backend.ts";
import type { AuthServer } from "../../smtpd/auth_server.ts";
import { createAuthServer, unknownSecurityOptions } from "../../smtpd/create_auth_server.ts";
import type { MailWorld } from "./mail_world.ts";

/** AUTH of a service: none, or why Postfix's smtpd would not start. */
export type OpenedAuth =
  | { readonly is: "auth"; readonly auth: AuthServer | undefined }
  | { readonly is: "bad"; readonly why: string };

/** Who logs in, for all services of a worker: those that ask the same users share a back end and its connection. */
export interface AuthBackends {
  open(service: Service, log: Log): OpenedAuth;
  close(): void;
}

/** Numbers of processes are smaller than this: no login process of Dovecot's has one of ours (pid_max, proc(5)). */
const BEYOND_PROCESSES = 2 ** 22;

/** Opens back ends as services ask for them. */
export function openAuthBackends({ openTables }: Pick<MailWorld, "openTables">): AuthBackends {
  const backends = new Map<string, AuthBackend | undefined>();
  const world = (settings: Service["settings"]): BackendWorld => ({
    connect,
    clock: systemClock,
    clientNumber: () => randomInt(BEYOND_PROCESSES, 2 ** 31),
    users: () => openTables.maps(settings.sasl_users, "sasl_users")?.whole,
    checkToken: undefined,
  });
  const backendOf = (settings: Service["settings"], log: Log): AuthBackend | undefined | string => {
    const key = JSON.stringify(BACKEND_PARAMETERS.map((name) => settings[name]));
    const known = backends.get(key);
    if (known !== undefined || backends.has(key)) return known;
    const opened = openBackend(settings, world(settings));
    if (opened.is !== "bad") {
      const backend = opened.is === "backend" ? opened.backend : undefined;
      if (opened.is === "none") log.note("smtpd", "warning", opened.why);
      backends.set(key, backend);
      return backend;
    }
    for (const warning of opened.warnings) log.note("smtpd", "warning", warning);
    return opened.why;
  };
  return {
    open({ settings }, log) {
      if (!settings.smtpd_sasl_auth_enable) return { is: "auth", auth: undefined };
      const backend = backendOf(settings, log);
      if (typeof backend === "string") return { is: "bad", why: backend };
      const flaw = badOption(settings);
      if (flaw !== undefined) return { is: "bad", why: flaw };
      const auth = backend && createAuthServer(backend, settings, openTables, log);
      return { is: "auth", auth };
    },
    close: () => backends.forEach((backend) => backend?.close()),
  };
}

/** A word that Postfix's smtpd dies of at its first client. */
function badOption(settings: Service["settings"]): string | undefined {
  for (const name of ["smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"] as const) {
    const [word] = unknownSecurityOptions(settings[name]);
    if (word !== undefined) return `${name}: unknown value "${word}" in "${settings[name]}"`;
  }
  return undefined;
}
