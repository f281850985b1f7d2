import { cipherListProblem } from "../../platform/socket/tls_context.ts";
import type { TableContext } from "../context.ts";
import type { LdapCredentials } from "./ldap_codec.ts";
import { type LdapServer, ldapServers } from "./ldap_servers.ts";
import type { LdapScope } from "./ldap_url.ts";
import type { QueryFile } from "../query_file/query_file.ts";
import { isDynamic, type Piece, readTemplate } from "../query_file/query_template.ts";

/** How connections are secured (ldap_table(5), SSL and STARTTLS). */
export interface LdapTls {
  readonly startTls: boolean;
  readonly verify: boolean;
  readonly caFile?: string;
  readonly caFolder?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly ciphers?: string;
}

/** An ldap table's configuration, checked. */
export interface LdapSettings {
  readonly name: string;
  readonly servers: readonly LdapServer[];
  /** Milliseconds for a connection, and for a search. */
  readonly timeout: number;
  readonly base: readonly Piece[];
  readonly filter: readonly Piece[];
  readonly format: readonly Piece[];
  readonly scope: LdapScope;
  readonly attributes: {
    readonly terminal: readonly string[];
    readonly leaf: readonly string[];
    readonly ordinary: readonly string[];
    readonly special: readonly string[];
  };
  readonly credentials: LdapCredentials | undefined;
  readonly recursionLimit: number;
  readonly expansionLimit: number;
  readonly sizeLimit: number;
  readonly dereference: number;
  readonly chaseReferrals: boolean;
  readonly tls: LdapTls;
}

/** Reads the attributes; refuses what cannot be honoured, and names in warnings what has no effect. */
export function ldapSettings(file: QueryFile, context: TableContext): LdapSettings {
  const warn = (attribute: string, text: string) => context.warn(`${file.where(attribute)}: ${text}`);
  warnOfNoEffect(file, warn);
  const expansionLimit = file.integer("expansion_limit", 0);
  const tls = tlsSettings(file);
  const servers = ldapServers(file, warn);
  const settings: LdapSettings = {
    name: file.name,
    servers,
    timeout: file.integer("timeout", 10, 1, 86_400) * 1000,
    base: template(file, "search_base", "", "query"),
    filter: template(file, "query_filter", "(mailacceptinggeneralid=%s)", "query"),
    format: template(file, file.isSet("result_format") ? "result_format" : "result_filter", "%s", "result"),
    scope: scopeOf(file, warn),
    attributes: {
      terminal: file.list("terminal_result_attribute"),
      leaf: file.list("leaf_result_attribute"),
      ordinary: file.isSet("result_attribute") ? file.list("result_attribute") : ["maildrop"],
      special: file.list("special_result_attribute"),
    },
    credentials: credentialsOf(file, servers, tls),
    recursionLimit: file.integer("recursion_limit", 1000, 1),
    expansionLimit,
    sizeLimit: file.integer("size_limit", expansionLimit),
    dereference: dereferenceOf(file, warn),
    chaseReferrals: file.flag("chase_referrals", false),
    tls,
  };
  warnOfUseless(settings, warn);
  warnOfIdleTls(settings, file, warn);
  return settings;
}

type Warn = (attribute: string, text: string) => void;

function template(file: QueryFile, attribute: string, fallback: string, kind: "query" | "result") {
  return readTemplate(file, attribute, file.text(attribute) ?? fallback, kind);
}

function scopeOf(file: QueryFile, warn: Warn): LdapScope {
  const text = file.text("scope") ?? "sub";
  const scope = text.toLowerCase();
  if (scope === "sub" || scope === "one" || scope === "base") return scope;
  warn("scope", `Unrecognized value ${text} specified for scope; using sub`);
  return "sub";
}

function dereferenceOf(file: QueryFile, warn: Warn): number {
  const value = file.integer("dereference", 0);
  if (value <= 3) return value;
  warn("dereference", `Unrecognized value ${value} specified for dereference; using 0`);
  return 0;
}

function tlsSettings(file: QueryFile): LdapTls {
  const text = (attribute: string) => file.text(attribute);
  const [certificate, key, ciphers] = [text("tls_cert"), text("tls_key"), text("tls_cipher_suite")];
  if (certificate === undefined && key !== undefined) file.refuse("tls_key", "tls_key needs tls_cert");
  const problem = ciphers === undefined ? undefined : cipherListProblem(ciphers);
  if (problem !== undefined) {
    file.refuse("tls_cipher_suite", `"${ciphers}" is no OpenSSL cipher list that is known here: ${problem}`);
  }
  return {
    startTls: file.flag("start_tls", false),
    verify: file.flag("tls_require_cert", false),
    caFile: text("tls_ca_cert_file"),
    caFolder: text("tls_ca_cert_dir"),
    certificate,
    key: key ?? certificate,
    ciphers,
  };
}

const BIND_METHODS: Readonly<Record<string, "none" | "simple" | "sasl">> = {
  no: "none",
  none: "none",
  yes: "simple",
  simple: "simple",
  sasl: "sasl",
};

function credentialsOf(
  file: QueryFile,
  servers: readonly LdapServer[],
  tls: LdapTls,
): LdapCredentials | undefined {
  const written = file.text("bind") ?? "yes";
  const method = BIND_METHODS[written.toLowerCase()];
  const [dn, password] = [file.text("bind_dn") ?? "", file.text("bind_pw") ?? ""];
  if (method === undefined) return file.refuse("bind", `unsupported parameter value: bind = ${written}`);
  if (method === "none") return undefined;
  if (method === "simple") {
    if (dn !== "" && password === "") {
      file.refuse(
        "bind_dn",
        "bind_dn without bind_pw would be an anonymous bind (RFC 4513 §5.1.2); set bind_pw, or bind = no",
      );
    }
    return { by: "simple", dn, password };
  }
  const secure = servers.every((server) => server.tls || tls.startTls || "path" in server.to);
  return saslCredentials(file, dn, password, secure);
}

/** `bind = sasl`: the mechanisms that need neither a library nor a ticket. */
function saslCredentials(file: QueryFile, user: string, password: string, secure: boolean): LdapCredentials {
  const wanted = file.list("sasl_mechs").map((name) => name.toUpperCase());
  const authorization = file.text("sasl_authz_id") ?? "";
  const mechanism = wanted.find((name) => name === "EXTERNAL" || name === "PLAIN");
  if (!secure && file.integer("sasl_minssf", 0, 0, 4096) > 0) {
    file.refuse("sasl_minssf", "sasl_minssf needs ldaps, start_tls or ldapi here");
  }
  if (mechanism === "EXTERNAL") return { by: "EXTERNAL", authorization };
  if (mechanism === undefined) {
    const which = wanted.length === 0 ? "sasl_mechs is not set" : `none of ${wanted.join(", ")} is supported`;
    return file.refuse(
      "bind",
      `bind = sasl: ${which}; set sasl_mechs to EXTERNAL or PLAIN, or use bind = simple`,
    );
  }
  if (!secure) file.refuse("bind", "bind = sasl with PLAIN needs ldaps, start_tls or ldapi");
  return { by: "PLAIN", authorization, user, password };
}

const NO_EFFECT: Readonly<Record<string, string>> = {
  cache: "ignoring cache",
  cache_expiry: "ignoring cache_expiry",
  cache_size: "ignoring cache_size",
  debuglevel: "debuglevel has no effect: there is no OpenLDAP library here",
  tls_random_file: "tls_random_file has no effect: random numbers come from the system",
  sasl_realm: "sasl_realm has no effect: the mechanisms that are supported have no realm",
};

function warnOfNoEffect(file: QueryFile, warn: Warn): void {
  for (const [attribute, text] of Object.entries(NO_EFFECT)) {
    const value = file.text(attribute);
    if (value !== undefined && !/^(?:no|0|-1)$/i.test(value)) warn(attribute, text);
  }
  const version = file.integer("version", 3, -1);
  if (version !== 3) {
    warn(
      "version",
      `LDAP version ${version} is not spoken (RFC 3494); version 3 is, by every server of today`,
    );
  }
}

function warnOfUseless({ filter, attributes, base }: LdapSettings, warn: Warn): void {
  if (!isDynamic(filter)) {
    const text = filter.join("");
    warn("query_filter", `Fixed query_filter ${text} is probably useless`);
  }
  const { terminal, leaf, ordinary, special } = attributes;
  if ([...terminal, ...leaf, ...ordinary, ...special].length === 0) {
    warn("result_attribute", "no result attribute is set: nothing will ever be found");
  }
  if (base.length === 0) {
    warn(
      "search_base",
      "search_base is not set: the search starts at the root of the directory, where most servers have nothing",
    );
  }
}

const TLS_ATTRIBUTES = [
  "tls_ca_cert_dir",
  "tls_ca_cert_file",
  "tls_cert",
  "tls_cipher_suite",
  "tls_key",
  "tls_require_cert",
];

/** Postfix does not say that a connection is in the clear whose certificate somebody wants to be verified. */
function warnOfIdleTls({ servers, tls, chaseReferrals }: LdapSettings, file: QueryFile, warn: Warn): void {
  if (tls.startTls || chaseReferrals || servers.some((server) => server.tls)) return;
  const isWanted = (attribute: string) => !/^no$/i.test(file.text(attribute) ?? "no");
  for (const attribute of TLS_ATTRIBUTES.filter(isWanted)) {
    warn(attribute, `${attribute} has no effect without start_tls = yes or ldaps://`);
  }
}
