import { caFolder, LARGEST_PEM, systemCa } from "../../platform/socket/certificate_authorities.ts";
import {
  type ClientTls,
  connect,
  type Connection,
  type ConnectionHandler,
} from "../../platform/socket/connection.ts";
import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { TableContext } from "../context.ts";
import { readTableFile } from "../text/table_file.ts";
import type { LdapConnection } from "./ldap_connection.ts";
import type { LdapCredentials } from "./ldap_codec.ts";
import { LdapFault, resultText, SERVER_DOWN, TIMED_OUT } from "./ldap_result_codes.ts";
import type { LdapServer } from "./ldap_servers.ts";
import { StartTlsRequest } from "./ldap_start_tls.ts";
import type { LdapSettings } from "./ldap_settings.ts";
import { ServerFault } from "../remote/servers.ts";

type Code = typeof import("./ldap_codec.ts");

/** The library is loaded with the first connection: programs that ask no directory start without it. */
const protocol = async () => ({
  codec: await import("./ldap_codec.ts"),
  LdapConnection: (await import("./ldap_connection.ts")).LdapConnection,
});

interface Slot {
  /** Settles once; a failure is forgotten at once. */
  readonly connecting: Promise<LdapConnection>;
  connection?: LdapConnection;
}

/** Servers that referrals may lead to at a time. */
const SERVERS_LIMIT = 16;

/** One connection for each server that a table talks to, and for each way of saying there who we are, opened when it is needed. */
export class LdapPool {
  readonly #settings: LdapSettings;
  readonly #files: Pick<TableContext, "lent">;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new AbortController();

  /** `files`: those that master has read for us, as keys often are root's alone. */
  constructor(settings: LdapSettings, files: Pick<TableContext, "lent">) {
    this.#settings = settings;
    this.#files = files;
  }

  /** Whether the table's own connection has been used before; it may be dead without our knowing. */
  has(server: LdapServer): boolean {
    return this.#slots.get(keyOf(server, this.#settings.credentials))?.connection?.usable === true;
  }

  /** A connection on which we have said who we are. Rejects with a ServerFault. */
  get(server: LdapServer, credentials: LdapCredentials | undefined): Promise<LdapConnection> {
    const key = keyOf(server, credentials);
    const slot = this.#slots.get(key);
    if (slot !== undefined && slot.connection?.usable !== false) return slot.connecting;
    this.#forgetEnded();
    if (this.#slots.size >= SERVERS_LIMIT + this.#settings.servers.length) {
      return Promise.reject(new ServerFault(`referrals lead to more than ${SERVERS_LIMIT} servers`));
    }
    const fresh: Slot = { connecting: this.#open(server, credentials) };
    this.#slots.set(key, fresh);
    const forget = () => {
      if (this.#slots.get(key) === fresh) this.#slots.delete(key);
    };
    fresh.connecting.then((connection) => fresh.connection = connection, forget);
    return fresh.connecting;
  }

  #forgetEnded(): void {
    for (const [key, { connection }] of this.#slots) {
      if (connection?.usable === false) this.#slots.delete(key);
    }
  }

  async #open(server: LdapServer, credentials: LdapCredentials | undefined): Promise<LdapConnection> {
    const { LdapConnection, codec } = await protocol();
    const connection = new LdapConnection(this.#settings.timeout);
    try {
      connection.attach(await this.#connect(server, connection, codec));
    } catch (error) {
      throw connectFault(error, server);
    }
    if (credentials !== undefined) await this.#bind(server, connection, credentials);
    return connection;
  }

  #connect(server: LdapServer, handler: ConnectionHandler, codec: Code): Promise<Connection> {
    const { timeout, tls: { startTls } } = this.#settings;
    const options = { timeout, signal: this.#closing.signal };
    if (server.tls) return connect(server.to, { ...options, tls: this.#tls(server) }, () => handler);
    return startTls
      ? this.#connectThenTls(server, handler, codec)
      : connect(server.to, options, () => handler);
  }

  /** The time limit is for all of it. */
  async #connectThenTls(server: LdapServer, handler: ConnectionHandler, codec: Code): Promise<Connection> {
    const { signal } = this.#closing;
    const end = performance.now() + this.#settings.timeout;
    const left = () => Math.max(1, end - performance.now());
    const tls = this.#tls(server);
    const request = new StartTlsRequest({
      request: codec.encodeStartTls(1),
      accepts: codec.acceptsStartTls,
    });
    const stream = await connect(server.to, { timeout: left(), signal }, () => request);
    const aborted = () => stream.destroy();
    signal.addEventListener("abort", aborted, { once: true });
    try {
      await request.send(stream, left(), signal);
      await stream.startTls({ ...tls, side: "client", timeout: left() });
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", aborted);
    }
    stream.setHandler(handler);
    return stream;
  }

  async #bind(server: LdapServer, connection: LdapConnection, credentials: LdapCredentials): Promise<void> {
    try {
      await connection.bind(credentials, this.#closing.signal);
    } catch (error) {
      connection.release();
      const dn = credentials.by === "simple" && credentials.dn !== "" ? credentials.dn : "empty or implicit";
      const code = error instanceof LdapFault ? error.code : SERVER_DOWN;
      const detail = error instanceof Error ? error.message.replace(`${resultText(code)}: `, "") : "";
      const more = detail === resultText(code) || detail === "" ? "" : `: ${detail}`;
      const what = `Unable to bind to server ${server.name} with dn ${dn}`;
      throw new ServerFault(`${what}: ${code} (${resultText(code)})${more}`, { cause: error });
    }
  }

  /** Files are read for each connection, so that renewed certificates need no restart. */
  #tls({ host }: LdapServer): ClientTls {
    const { verify, caFile, caFolder: folder, certificate, key, ciphers } = this.#settings.tls;
    const pem = (attribute: string, path: string | undefined) =>
      path === undefined ? undefined : readPem(attribute, path, this.#files);
    const ca = pem("tls_ca_cert_file", caFile) ?? (folder === undefined ? systemCa() : foldersPem(folder));
    if (verify && ca === "") {
      throw new Error("tls_require_cert = yes needs tls_ca_cert_file or tls_ca_cert_dir");
    }
    const own = pem("tls_cert", certificate);
    const ownKey = pem("tls_key", key);
    const context = createTlsContext({
      ca,
      ciphers,
      ...(own !== undefined && { certificates: [own] }),
      ...(ownKey !== undefined && { keys: [ownKey] }),
    });
    return { context, verify, serverName: host };
  }

  close(): void {
    this.#closing.abort(new LdapFault(SERVER_DOWN, "the table is closed"));
    for (const { connecting } of this.#slots.values()) {
      connecting.then((connection) => connection.release(), () => {});
    }
    this.#slots.clear();
  }
}

/** What one may see whom the server knows, another must not, nor the other way round: a referral may lead to our own server. */
function keyOf({ name }: LdapServer, credentials: LdapCredentials | undefined): string {
  const dn = credentials?.by === "simple" ? credentials.dn : "";
  return [credentials?.by ?? "none", dn, name].join("\n");
}

function readPem(attribute: string, path: string, files: Pick<TableContext, "lent">): string {
  try {
    return readTableFile(path, files, LARGEST_PEM).toString();
  } catch (error) {
    throw new Error(`${attribute} ${path}: ${systemErrorText(error)}`, { cause: error });
  }
}

function foldersPem(folder: string): string {
  try {
    return caFolder(folder);
  } catch (error) {
    throw new Error(`tls_ca_cert_dir ${folder}: ${systemErrorText(error)}`, { cause: error });
  }
}

function connectFault(error: unknown, { name }: LdapServer): ServerFault {
  const late = error instanceof Error && "code" in error && error.code === "ETIMEDOUT";
  const code = late ? TIMED_OUT : SERVER_DOWN;
  const detail = late ? "" : `: ${systemErrorText(error)}`;
  const why = `Unable to connect to server ${name}: ${code} (${resultText(code)})${detail}`;
  return new ServerFault(why, { cause: error });
}
