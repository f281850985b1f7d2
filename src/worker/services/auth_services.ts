import { systemClock } from "../../base/clock.ts";
import type { Service } from "../../config/service.ts";
import type { Log } from "../../observe/log.ts";
import { randomInt } from "../../platform/crypto/digest.ts";
import { readTextIfThere } from "../../platform/file/small_files.ts";
import { connect } from "../../platform/socket/connection.ts";
import { askHttp } from "../../platform/socket/http_client.ts";
import type { AuthBackend } from "../../sasl/auth_backend.ts";
import type { Bind } from "../../sasl/password/check_password.ts";
import { openLdapBinder } from "../../table/ldap_bind.ts";
import { type BackendWorld, openBackend } from "../../sasl/open_backend.ts";
import { boundedBackend } from "../../sasl/bounded_backend.ts";
import { BACKEND_PARAMETERS, readBackend } from "../../sasl/read_backend.ts";
import type { AuthServer } from "../../smtpd/auth_server.ts";
import { badSecurityOption, createAuthServer } from "../../smtpd/create_auth_server.ts";
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

/** Opens back ends as services ask for them. What is wrong with one, or missing, the start has said. */
export function openAuthBackends(
  { openTables, tables }: Pick<MailWorld, "openTables" | "tables">,
): AuthBackends {
  const read = (path: string): string | undefined => {
    try {
      return readTextIfThere(path);
    } catch (error) {
      const lent = tables.lent?.[path];
      if (lent === undefined) throw error;
      return lent;
    }
  };
  const backends = new Map<string, AuthBackend>();
  const worldOf = (settings: Service["settings"]): BackendWorld => ({
    connect,
    clock: systemClock,
    clientNumber: () => randomInt(BEYOND_PROCESSES, 2 ** 31),
    users: () => openTables.maps(settings.sasl_users, "sasl_users")?.whole,
    askHttp,
    files: tables,
    bind: () => openBind(settings.sasl_ldap_bind, tables),
  });
  return {
    open({ settings, processLimit }, log) {
      if (!settings.smtpd_sasl_auth_enable) return { is: "auth", auth: undefined };
      const wanted = readBackend(settings, read);
      const why = wanted.is === "bad" ? wanted.why : badSecurityOption(settings);
      if (wanted.is === "bad" || why !== undefined) return { is: "bad", why: why! };
      if (wanted.is === "none") return { is: "auth", auth: undefined };
      const key = JSON.stringify(BACKEND_PARAMETERS.map((name) => settings[name]));
      const backend = backends.get(key) ?? openBackend(wanted, settings, worldOf(settings));
      backends.set(key, backend);
      const share = shareOf(processLimit);
      // Passwords that are compared here have bounds of their own.
      const asked = wanted.is === "internal" || share === undefined
        ? backend
        : boundedBackend(backend, share);
      return { is: "auth", auth: createAuthServer(asked, settings, openTables, log) };
    },
    close: () => backends.forEach((backend) => backend.close()),
  };
}

/** Half of the sessions, so that the others keep a slot while an authentication server is slow; undefined: there is no limit. */
function shareOf(processLimit: number): number | undefined {
  return processLimit > 0 ? Math.max(1, Math.floor(processLimit / 2)) : undefined;
}

/** The directory that users are checked against; what is wrong with its file is in the log, and in each answer. */
function openBind(spec: string, tables: MailWorld["tables"]): Bind | undefined {
  if (spec === "") return undefined;
  const binder = openLdapBinder(spec, tables);
  if ("check" in binder) return (dn, password) => binder.check(dn, password);
  tables.warn(`sasl_ldap_bind: ${binder.why}`);
  return () => Promise.reject(new Error(`sasl_ldap_bind: ${binder.why}`));
}
