import { splitList } from "../../../config/syntax/list.ts";
import { type Configuration, type Service, serviceKey } from "../../../config/service.ts";
import { readTextIfThere } from "../../../platform/file/small_files.ts";
import type { Identity } from "../../../platform/process/spawn.ts";
import { ownIds, userByName } from "../../../platform/process/users.ts";
import { readBackend } from "../../../sasl/read_backend.ts";
import { badSecurityOptions } from "../../../sasl/security_options.ts";
import { badSecurityOption } from "../../../smtpd/create_auth_server.ts";
import { workerPrivileges } from "../../privileges.ts";
import type { Finding } from "../finding.ts";
import { socketProblem } from "./login_sockets.ts";

type Found = Pick<Finding, "severity" | "consequence" | "closes">;

/** Services that are to let clients log in, and cannot, or in the clear; clients that cannot log in. Nobody is asked. */
export function checkLogins(configuration: Configuration): Finding[] {
  const { directory, services, settings } = configuration;
  const privileges = workerPrivileges(settings, configuration.isSet("mail_owner"), {
    ...ownIds(),
    userByName,
  });
  const identity = privileges.is === "known" ? privileges.identity : undefined;
  return services.flatMap((service) => {
    const found = service.program === "smtpd" ? problemsOf(service, identity) : clientProblemsOf(service);
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    return found.map((each) => {
      const text = `${file}, line ${line}, service ${key}: ${each.consequence}`;
      return { ...each, text, file, line, service: key, feature: `logins: ${each.consequence}` };
    });
  });
}

/** A word that a client does not know could be one that forbids something: it logs in nowhere. */
function clientProblemsOf(service: Service): Found[] {
  const { program, settings, closed } = service;
  if ((program !== "smtp" && program !== "lmtp") || closed !== undefined) return [];
  if (!settings[`${program}_sasl_auth_enable`]) return [];
  const names = [
    `${program}_sasl_security_options`,
    `${program}_sasl_tls_security_options`,
    `${program}_sasl_tls_verified_security_options`,
  ] as const;
  const bad = names.map((name) => badSecurityOptions(name, settings[name])).find((each) =>
    each !== undefined
  );
  return [
    ...(bad === undefined
      ? []
      : [{ severity: "closed", consequence: `mail that needs a login waits: ${bad}` } as const]),
    ...otherClients(program, service),
  ];
}

/** Postfix's clients have their logins from a plug-in; `cyrus` is the only one there is, and the default. */
function otherClients(program: "smtp" | "lmtp", service: Pick<Service, "parameter">): Found[] {
  const type = service.parameter(`${program}_sasl_type`) ?? "cyrus";
  const path = service.parameter(`${program}_sasl_path`) ?? "";
  return [
    ...(type === "cyrus" ? [] : [
      {
        severity: "warning",
        consequence:
          `${program}_sasl_type = ${type}: there is no such client (Postfix: "unsupported SASL client implementation"); ` +
          "the client's logins are built in, and are used: remove it",
      } as const,
    ]),
    ...(path === "" ? [] : [
      {
        severity: "warning",
        consequence:
          `${program}_sasl_path = ${path} has no effect: no library is loaded that could read a file of that name; ` +
          `what its mech_list allows, ${program}_sasl_mechanism_filter says`,
      } as const,
    ]),
  ];
}

function problemsOf(service: Service, identity: Identity | undefined): Found[] {
  const { settings } = service;
  if (!settings.smtpd_sasl_auth_enable || service.closed !== undefined) return [];
  const wanted = readBackend(settings, readTextIfThere);
  const bad = wanted.is === "bad" ? wanted.why : badSecurityOption(settings);
  if (bad !== undefined) return [{ severity: "closed", consequence: bad, closes: [serviceKey(service)] }];
  if (wanted.is === "none") {
    return [{ severity: "closed", consequence: `AUTH is not offered: ${wanted.why}` }];
  }
  const socket = socketProblem(wanted, identity);
  return [
    ...(isInTheClear(service) ? [{ severity: "weaker", consequence: IN_THE_CLEAR } as const] : []),
    ...(socket === undefined ? [] : [{ severity: "warning", consequence: socket } as const]),
  ];
}

const IN_THE_CLEAR = "passwords may come in the clear, for anybody on the way to read: " +
  "smtpd_tls_auth_only = yes, or noplaintext in smtpd_sasl_security_options";

const LOOPBACK = /^(?:127\.|localhost:|\[?::1\]?:)/;

/** Whether clients from elsewhere may send a password before TLS. */
function isInTheClear({ name, settings }: Service): boolean {
  const options = splitList(settings.smtpd_sasl_security_options).map((word) => word.toLowerCase());
  const level = settings.smtpd_tls_security_level;
  const encrypted = settings.smtpd_tls_auth_only || settings.smtpd_tls_wrappermode ||
    (level === "" ? settings.smtpd_enforce_tls : level !== "none" && level !== "may");
  return !encrypted && !options.includes("noplaintext") && !LOOPBACK.test(name);
}
