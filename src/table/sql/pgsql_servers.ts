import { ownUserName } from "../../platform/process/users.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { SqlServer, SqlTls } from "../../platform/database/sql_client.ts";
import { systemCa } from "../../platform/socket/certificate_authorities.ts";
import { parseHostPort } from "../remote/server_endpoint.ts";
import type { TableContext } from "../context.ts";
import { readTableFile } from "../text/table_file.ts";
import type { QueryFile } from "../query_file/query_file.ts";

const PORT = 5432;
const MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

/** The servers of a query file's `hosts`: `unix:/folder`, `inet:host:port`, `host`, connection URIs (pgsql_table(5)). */
export function pgsqlServers(file: QueryFile, context: TableContext): SqlServer[] {
  const hosts = file.list("hosts");
  const distinct = [...new Set(hosts.length === 0 ? ["localhost"] : hosts)];
  return distinct.flatMap((host) =>
    /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(host) ? uriServers(host, file, context) : [plainServer(host, file)]
  );
}

function plainServer(host: string, file: QueryFile): SqlServer {
  const database = file.text("dbname") ??
    file.refuse("dbname", `host target '${host.replace(/.*@/s, "...@")}' requires dbname setting`);
  const login = {
    database,
    user: file.text("user") ?? ownUserName(),
    password: file.text("password") ?? "",
    adapter: "postgres" as const,
  };
  const place = host.replace(/^(?:unix|inet):/, "");
  if (place.startsWith("/")) return { ...login, path: place, host: "localhost", port: PORT };
  return { ...login, ...hostAndPort(place, file), tls: { mode: "prefer" } };
}

function hostAndPort(place: string, file: QueryFile): { readonly host: string; readonly port: number } {
  const hasPort = /^(?:\[[^\]]*\]|[^:[\]]*):[^:]+$/.test(place);
  if (!hasPort) return { host: place.replace(/^\[(.*)\]$/, "$1"), port: PORT };
  if (place.includes("@")) {
    return file.refuse("hosts", "expected host:port, or a connection URI (postgresql://...)");
  }
  const endpoint = parseHostPort(place);
  if (endpoint.is === "bad") return file.refuse("hosts", endpoint.why);
  if (!("host" in endpoint.to)) return file.refuse("hosts", `${place}: expected host:port`);
  return { host: endpoint.to.host, port: endpoint.to.port };
}

/** Parameters of a connection URI that are honoured. */
const HONOURED = [
  ...[
    "application_name",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "options",
    "password",
  ],
  ...["port", "ssl", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs", "user"],
];
/** Those whose place is taken by something of ours: `timeout`, and connections that nobody keeps for long. */
const NO_EFFECT = [
  ...[
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslsni",
  ],
  "tcp_user_timeout",
];
/** What must be so for a parameter to be honoured. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  gssencmode: ["disable", "prefer"],
  ssl: ["true"],
  target_session_attrs: ["any"],
};

/** `postgresql://user:password@host:port,host:port/database?parameters` (libpq's connection URIs). */
function uriServers(uri: string, file: QueryFile, context: TableContext): SqlServer[] {
  const refuse = (why: string): never => file.refuse("hosts", `connection URI: ${why}`);
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(uri);
  if (match === null) return refuse("expected postgresql://user:password@host:port/database");
  const [, login = "", places = "", path = "", query = ""] = match;
  const parameters = uriParameters(query, refuse);
  for (const name of NO_EFFECT.filter((each) => parameters.has(each))) {
    context.warn(`${file.where("hosts")}: connection URI: ${name} has no effect here`);
  }
  const colon = login.indexOf(":");
  const user = parameters.get("user") ?? decoded(colon < 0 ? login : login.slice(0, colon), refuse);
  const password = parameters.get("password") ??
    (colon < 0 ? "" : decoded(login.slice(colon + 1), refuse));
  const name = user === "" ? ownUserName() : user;
  const database = parameters.get("dbname") ?? decoded(path, refuse);
  const base = {
    adapter: "postgres" as const,
    user: name,
    password,
    database: database === "" ? name : database,
    parameters: sessionParameters(parameters),
  };
  const tls = uriTls(parameters, { file, context, refuse });
  return placesOf(places, parameters, refuse).map(({ host, port }) =>
    host.startsWith("/") ? { ...base, path: host, host: "localhost", port } : { ...base, host, port, tls }
  );
}

function uriParameters(query: string, refuse: (why: string) => never): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of query.split("&").filter(Boolean)) {
    const equals = part.indexOf("=");
    const name = decoded(equals < 0 ? part : part.slice(0, equals), refuse);
    if (equals < 0) refuse(`missing key/value separator "=" after "${name}"`);
    if (![...HONOURED, ...NO_EFFECT].includes(name)) refuse(`parameter "${name}" is not known here`);
    found.set(name, decoded(part.slice(equals + 1), refuse));
  }
  for (const [name, allowed] of Object.entries(ONLY)) {
    const value = found.get(name);
    if (value === undefined || allowed.includes(value)) continue;
    refuse(
      `${name}=${value} cannot be honoured; only ${allowed.map((each) => `"${each}"`).join(" and ")} can`,
    );
  }
  return found;
}

function sessionParameters(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const session: Record<string, string> = {};
  const name = parameters.get("application_name") ?? parameters.get("fallback_application_name");
  const options = parameters.get("options");
  if (name !== undefined) session.application_name = name;
  if (options !== undefined) session.options = options;
  return session;
}

/** One or several hosts, each with its port. */
function placesOf(
  places: string,
  parameters: ReadonlyMap<string, string>,
  refuse: (why: string) => never,
): { readonly host: string; readonly port: number }[] {
  const hosts = parameters.get("hostaddr") ?? parameters.get("host");
  const ports = (parameters.get("port") ?? "").split(",");
  const items = hosts?.split(",").map((host) => ({ host, port: "" })) ??
    places.split(",").map((place) => splitPlace(place, refuse));
  return items.map(({ host, port }, at) => {
    const text = port || (ports[at] ?? ports[0] ?? "") || String(PORT);
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < 1 || number > 65_535) refuse(`invalid port number: "${text}"`);
    return { host: host === "" ? "localhost" : host, port: number };
  });
}

function splitPlace(place: string, refuse: (why: string) => never): { host: string; port: string } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?$/.exec(place);
  if (match === null) return refuse(`"${place}" is no host:port`);
  return { host: decoded(match[1] ?? match[2] ?? "", refuse), port: match[3] ?? "" };
}

function decoded(text: string, refuse: (why: string) => never): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse("invalid percent-encoded token");
  }
}

/** `sslrootcert=system`: any authority of the system's may have signed, so the name must be right (libpq 16). */
const trustsSystem = (parameters: ReadonlyMap<string, string>) => parameters.get("sslrootcert") === "system";

function defaultMode(parameters: ReadonlyMap<string, string>): SqlTls["mode"] {
  if (trustsSystem(parameters)) return "verify-full";
  return parameters.has("ssl") ? "require" : "prefer";
}

function uriTls(
  parameters: ReadonlyMap<string, string>,
  { file, context, refuse }: {
    readonly file: QueryFile;
    readonly context: TableContext;
    readonly refuse: (why: string) => never;
  },
): SqlTls {
  const asked = parameters.get("sslmode") ?? defaultMode(parameters);
  const mode = MODES.find((each) => each === asked) ?? refuse(`invalid sslmode value: "${asked}"`);
  if (trustsSystem(parameters) && mode !== "verify-full") {
    refuse(`weak sslmode "${mode}" may not be used with sslrootcert=system; use "verify-full"`);
  }
  const read = (name: string) => {
    const path = parameters.get(name);
    if (path === undefined || path === "" || path === "system") return undefined;
    try {
      return readTableFile(path, context).toString("utf8");
    } catch (error) {
      return file.refuse("hosts", `${name}: open ${path}: ${systemErrorText(error)}`);
    }
  };
  const [ca, cert, key] = [read("sslrootcert"), read("sslcert"), read("sslkey")];
  // With a root certificate "require" verifies, as libpq has it for old times' sake.
  const effective = mode === "require" && ca !== undefined ? "verify-ca" : mode;
  const verifies = effective === "verify-ca" || effective === "verify-full";
  return {
    mode: effective,
    ...(verifies && { ca: ca ?? systemCa() }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
