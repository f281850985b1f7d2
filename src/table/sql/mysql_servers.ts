import { listCnfFiles, socketExists } from "../../platform/file/mysql_files.ts";
import { tcpPort } from "../../platform/host.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { SqlServer, SqlTls } from "../../platform/database/sql_client.ts";
import { caFolder, systemCa } from "../../platform/socket/certificate_authorities.ts";
import { ownUserName } from "../../platform/process/users.ts";
import { type MysqlOption, readMysqlOptions } from "./mysql_options.ts";
import type { TableContext } from "../context.ts";
import { readTableFile } from "../text/table_file.ts";
import type { QueryFile } from "../query_file/query_file.ts";

const PORT = 3306;
const DEFAULT_OPTION_FILES = ["/etc/my.cnf", "/etc/mysql/my.cnf"];
/** Where the socket of Debian, Fedora and of MySQL's own packages is. */
const SOCKETS = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/** The servers and logins of a query file, and the character set of their sessions. */
export interface MysqlServers {
  readonly servers: readonly SqlServer[];
  readonly charset: string;
}

type Options = ReadonlyMap<string, MysqlOption>;

/** Client options that are honoured. */
const HONOURED = new Set([
  ...["database", "default-character-set", "password", "port", "socket", "ssl", "ssl-ca", "ssl-capath"],
  ...["ssl-cert", "ssl-cipher", "ssl-key", "ssl-verify-server-cert", "user"],
]);

/** The servers of a query file's `hosts`: `unix:/path`, `inet:host:port`, `host`; `localhost` is the socket (mysql_table(5)). */
export function mysqlServers(file: QueryFile, context: TableContext): MysqlServers {
  const options = clientOptions(file, context);
  const hosts = file.list("hosts");
  const distinct = [...new Set(hosts.length === 0 ? ["localhost"] : hosts)];
  const login = loginOf(file, options);
  const tls = tlsOf(file, options, context);
  const charset = file.text("charset") ?? options.get("default-character-set")?.value ?? "utf8mb4";
  if (!/^[A-Za-z0-9_]+$/.test(charset)) file.refuse("charset", `bad character set: ${charset}`);
  const servers = distinct.map((host) => ({ ...login, ...placeOf(host, file, options, tls) }));
  const idle = servers.every(({ path }) => path !== undefined) ? TLS_ATTRIBUTES : [];
  for (const attribute of idle.filter((each) => !/^no$/i.test(file.text(each) ?? "no"))) {
    context.warn(`${file.where(attribute)}: ${attribute} has no effect over a unix socket`);
  }
  return { servers, charset };
}

const TLS_ATTRIBUTES = [
  "tls_CAfile",
  "tls_CApath",
  "tls_cert_file",
  "tls_key_file",
  "tls_ciphers",
  "tls_verify_cert",
];

/** Options come from the default files unless a file is named; an empty group without a file means none (mysql_table(5)). */
function clientOptions(file: QueryFile, context: TableContext): Options {
  const path = file.text("option_file");
  const group = file.isSet("option_group") ? file.text("option_group") ?? "" : "client";
  if (path === undefined && group === "") return new Map();
  const text = (name: string) => {
    try {
      return readTableFile(name, context).toString("utf8");
    } catch (error) {
      return name === path
        ? file.refuse("option_file", `open ${name}: ${systemErrorText(error)}`)
        : undefined;
    }
  };
  const reader = { text, folder: listCnfFiles };
  const options = readMysqlOptions(path === undefined ? DEFAULT_OPTION_FILES : [path], group, reader);
  for (const [name, { where, isLoose }] of options) {
    if (!HONOURED.has(name) && !isLoose) {
      context.warn(`${where}: the client option ${name} has no effect here`);
    }
  }
  return options;
}

function loginOf(file: QueryFile, options: Options) {
  const database = file.text("dbname") ?? options.get("database")?.value ??
    file.refuse("dbname", "bad string length 0 < 1: dbname = ; set the database's name");
  return {
    adapter: "mysql" as const,
    user: file.text("user") ?? options.get("user")?.value ?? ownUserName(),
    password: file.text("password") ?? options.get("password")?.value ?? "",
    database,
  };
}

function placeOf(
  host: string,
  file: QueryFile,
  options: Options,
  tls: SqlTls | undefined,
): Pick<SqlServer, "path" | "host" | "port" | "tls"> {
  if (host.startsWith("unix:")) return { path: host.slice("unix:".length), host: "localhost", port: PORT };
  const place = host.replace(/^inet:/, "");
  const match = /^(?:\[([^\]]*)\]|([^:]*)|([0-9A-Fa-f:]*:[0-9A-Fa-f:]*))(?::([^:]*))?$/.exec(place);
  if (match === null) {
    return file.refuse("hosts", `${place.replace(/.*@/s, "...@")}: expected host or host:port`);
  }
  const name = match[1] ?? match[2] ?? match[3]!;
  const port = portOf(match[4], file, options);
  if (name.toLowerCase() === "localhost" || name === "") {
    return { path: options.get("socket")?.value ?? defaultSocket(), host: "localhost", port };
  }
  return { host: name, port, ...(tls !== undefined && { tls }) };
}

function portOf(text: string | undefined, file: QueryFile, options: Options): number {
  const asked = text ?? options.get("port")?.value ?? String(PORT);
  const port = /^\d+$/.test(asked) ? Number(asked) : tcpPort(asked);
  if (port === undefined) return file.refuse("hosts", `unknown service: ${asked}/tcp`);
  if (port < 1 || port > 65_535) return file.refuse("hosts", `bad port ${port}: specify 1 to 65535`);
  return port;
}

function defaultSocket(): string {
  return SOCKETS.find(socketExists) ?? SOCKETS[0]!;
}

/** TLS is used when one of its attributes or options is set, and then it is demanded: a server without it is not asked. */
function tlsOf(file: QueryFile, options: Options, context: TableContext): SqlTls | undefined {
  const setting = (attribute: string, option: string) => file.text(attribute) ?? options.get(option)?.value;
  const caFile = setting("tls_CAfile", "ssl-ca");
  const caPath = setting("tls_CApath", "ssl-capath");
  const cert = setting("tls_cert_file", "ssl-cert");
  const key = setting("tls_key_file", "ssl-key");
  const ciphers = setting("tls_ciphers", "ssl-cipher");
  const verify = file.isSet("tls_verify_cert")
    ? file.flag("tls_verify_cert", false)
    : isOn(options.get("ssl-verify-server-cert"));
  const wanted = [caFile, caPath, cert, key, ciphers].some((value) => value !== undefined) || verify ||
    isOn(options.get("ssl"));
  if (!wanted) return undefined;
  const read = (attribute: string, load: () => string) => {
    try {
      return load();
    } catch (error) {
      return file.refuse(attribute, `cannot read the ${attribute}: ${systemErrorText(error)}`);
    }
  };
  const text = (attribute: string, path: string | undefined) =>
    path === undefined ? undefined : read(attribute, () => readTableFile(path, context).toString("utf8"));
  const ca = text("tls_CAfile", caFile) ??
    (caPath === undefined ? undefined : read("tls_CApath", () => caFolder(caPath)));
  const [certText, keyText] = [text("tls_cert_file", cert), text("tls_key_file", key)];
  return {
    mode: verify ? "verify-full" : ca === undefined ? "require" : "verify-ca",
    ...((ca !== undefined || verify) && { ca: ca ?? systemCa() }),
    ...(certText !== undefined && { cert: certText }),
    ...(keyText !== undefined && { key: keyText }),
    ...(ciphers !== undefined && { ciphers }),
  };
}

function isOn(option: MysqlOption | undefined): boolean {
  return option !== undefined && !/^(?:0|off|false)$/i.test(option.value);
}
