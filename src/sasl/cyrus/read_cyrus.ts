import { systemErrorText } from "../../platform/system_error.ts";
import type { OfferedMechanism } from "../auth_backend.ts";
import { readApplicationConfig } from "./application_config.ts";
import { passwordMechanisms } from "./cyrus_backend.ts";

/** Where Cyrus is configured. */
export interface CyrusPlace {
  /** smtpd_sasl_path. */
  readonly name: string;
  /** Folders that may have `NAME.conf`, the first one first. */
  readonly folders: readonly string[];
  readonly queueDirectory: string;
}

/** A file's text; undefined where there is none. Throws the system's error. */
export type ReadText = (path: string) => string | undefined;

/** What smtpd.conf wants, as far as it is there; `none` says what is missing, `bad` what is wrong. */
export type CyrusWants =
  | {
    readonly is: "saslauthd";
    readonly paths: readonly string[];
    readonly mechanisms: readonly OfferedMechanism[];
  }
  | { readonly is: "none" | "bad"; readonly why: string };

const SASLAUTHD = "saslauthd";
const INSTEAD = "smtpd_sasl_type = internal has its users in a table, dovecot asks Dovecot";

function find({ name, folders }: CyrusPlace, read: ReadText) {
  for (const folder of folders) {
    const path = `${folder}/${name}.conf`;
    const text = read(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/** Reads smtpd.conf. A saslauthd that serves a chroot of Postfix's has its socket below the queue directory. */
export function readCyrus(place: CyrusPlace, read: ReadText): CyrusWants {
  try {
    const found = find(place, read);
    return found === undefined ? missing(place) : wants(place, found.path, found.text);
  } catch (error) {
    return { is: "bad", why: `cannot read ${place.name}.conf of Cyrus SASL: ${systemErrorText(error)}` };
  }
}

function missing({ name, folders }: CyrusPlace): CyrusWants {
  const where = folders.map((folder) => `${folder}/${name}.conf`).join(", ");
  const why = `there is no ${where}: Cyrus would ask sasldb, which is not there; ` +
    `write "pwcheck_method: ${SASLAUTHD}" and "mech_list: PLAIN LOGIN" into one to ask saslauthd (${INSTEAD})`;
  return { is: "none", why };
}

function wants({ queueDirectory }: CyrusPlace, path: string, text: string): CyrusWants {
  const config = readApplicationConfig(text);
  if ("badLine" in config) {
    return { is: "bad", why: `error when parsing configuration file ${path}, line ${config.badLine}` };
  }
  const { methods, mechanisms, saslauthdPath } = config;
  if (!methods.includes(SASLAUTHD)) {
    const why = `${path}: pwcheck_method: ${methods.join(" ")} is not there, only ${SASLAUTHD} ` +
      `(sasldb, sql and ldapdb are libraries of Cyrus's own; ${INSTEAD})`;
    return { is: "none", why };
  }
  const offered = passwordMechanisms(mechanisms);
  if (offered.length === 0) {
    const why = `${path}: mech_list: ${mechanisms?.join(" ")}: with ${SASLAUTHD} there are PLAIN and LOGIN`;
    return { is: "none", why };
  }
  return {
    is: "saslauthd",
    paths: [saslauthdPath, `${queueDirectory}${saslauthdPath}`],
    mechanisms: offered,
  };
}
