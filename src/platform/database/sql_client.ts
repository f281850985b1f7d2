/** A database server and how to log in there. */
export interface SqlServer {
  readonly adapter: "postgres" | "mysql";
  /** Path of a unix socket (PostgreSQL: or its folder); then host counts for nothing but messages. */
  readonly path?: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls?: SqlTls;
  /** PostgreSQL: run-time parameters of the session. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** How a connection over TCP is protected. */
export interface SqlTls {
  readonly mode: "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";
  /** PEM of the authorities to believe; needed to verify. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ciphers?: string;
}

/** A column as the server described it: MySQL's type code, length and flags. */
export interface SqlColumn {
  readonly type: number;
  readonly length: number;
  readonly flags: number;
}

/** The rows of a statement as the bytes that the server sent. */
export interface SqlResult {
  /** Empty: the statement has no result set. */
  readonly columns: readonly SqlColumn[];
  readonly rows: readonly (readonly (Uint8Array | null)[])[];
}

/** The database did not do what it was asked. */
export class SqlFault extends Error {
  override readonly name = "SqlFault";
  /** `lost`: there is no connection (any more); `refused`: the server says no, and would again. */
  readonly is: "lost" | "refused";
  /** SQLSTATE (PostgreSQL) or error number (MySQL), where the server gave one. */
  readonly code: string;

  constructor(is: SqlFault["is"], why: string, code: string, options?: ErrorOptions) {
    super(why, options);
    this.is = is;
    this.code = code;
  }
}

/** One connection; one statement at a time. */
export interface SqlConnection {
  /** Statements without values. */
  run(text: string): Promise<void>;
  /** One statement with bound values; more than one result is what a MySQL procedure gives. */
  query(text: string, values: readonly string[]): Promise<readonly SqlResult[]>;
  /** Ends it at once; what is under way fails, and PostgreSQL is told to stop it. */
  close(): void;
  readonly isOpen: boolean;
}

/** Connects and logs in; `signal` gives up. Rejects with a SqlFault. */
export async function connectSql(
  server: SqlServer,
  { timeout, signal }: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<SqlConnection> {
  if (server.path === undefined && server.tls?.ca === "") {
    throw new SqlFault("lost", "there are no certificates of authorities to verify the server's with", "");
  }
  let isOpen = true;
  let active: Bun.SQL.Query<RawResult | RawResult[]> | undefined;
  const client = unswayed(() => new Bun.SQL(optionsOf(server, timeout, () => isOpen = false)));
  const close = () => {
    isOpen = false;
    active?.cancel(); // PostgreSQL stops the statement; MySQL has its own time limit
    client.close({ timeout: 0 }).catch(() => {});
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await client.connect();
    signal.throwIfAborted();
  } catch (error) {
    close();
    throw hinted(faultOf(error, "lost"), server);
  } finally {
    signal.removeEventListener("abort", close);
  }
  /** The client would connect anew by itself, to a session that nobody has prepared. */
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    if (!isOpen) throw new SqlFault("lost", "Connection closed", "");
    try {
      return await action();
    } catch (error) {
      throw faultOf(error, undefined);
    }
  };
  return {
    get isOpen() {
      return isOpen;
    },
    close,
    run: (text) => guarded(async () => void await client.unsafe(text).simple()),
    query: (text, values) =>
      guarded(async () => {
        active = client.unsafe<RawResult | RawResult[]>(text, [...values]).raw();
        try {
          return resultsOf(await active);
        } finally {
          active = undefined;
        }
      }),
  };
}

/** MySQL's client says the same of a wrong login and of a server without TLS. */
function hinted(fault: SqlFault, { adapter, path, tls }: SqlServer): SqlFault {
  const { code } = (fault.cause ?? {}) as RuntimeFault;
  const isVague = adapter === "mysql" && path === undefined && tls !== undefined && fault.code === "";
  if (!isVague || code !== "ERR_MYSQL_AUTHENTICATION_FAILED") return fault;
  return new SqlFault(fault.is, `${fault.message}; TLS is demanded here: does the server have it?`, "", {
    cause: fault.cause,
  });
}

/** What Bun reads: DATABASE_URL, PGOPTIONS, MYSQL_PASSWORD and so on. */
const SWAYING = /^(?:PG|POSTGRES|MYSQL|MARIADB|TLS_|DATABASE_URL$|NODE_TLS_)/;

/** Makes a client of what the query file says and nothing else: the environment is out of sight meanwhile. */
function unswayed<T>(make: () => T): T {
  const hidden = Object.entries(process.env).filter(([name]) => SWAYING.test(name));
  for (const [name] of hidden) delete process.env[name];
  try {
    return make();
  } finally {
    for (const [name, value] of hidden) process.env[name] = value;
  }
}

function optionsOf(server: SqlServer, timeout: number, closed: () => void): Bun.SQL.Options {
  const { adapter, path, host, port, user, password, database, parameters } = server;
  return {
    adapter,
    hostname: host,
    port,
    ...(path !== undefined && { path }),
    username: user,
    // An empty text would give way to the environment.
    password: () => password,
    database,
    channelBinding: "disable",
    tls: path === undefined && server.tls !== undefined ? tlsOf(server.tls) : "disable",
    max: 1,
    connectionTimeout: Math.max(1, Math.ceil(timeout / 1000)),
    idleTimeout: 0,
    maxLifetime: 0,
    onclose: closed,
    // Unnamed statements go out in one piece with their values: whatever connection a pooler hands them to, the statement is
    // ours, where a prepared one might be somebody else's of the same name. All values come as text then.
    ...(adapter === "postgres" && { prepare: false, connection: { ...parameters } }),
  };
}

function tlsOf({ mode, ca, cert, key, ciphers }: SqlTls): Bun.SQL.PostgresOrMySQLOptions["tls"] {
  const verifies = mode === "verify-ca" || mode === "verify-full";
  if (!verifies && cert === undefined && ciphers === undefined) return mode;
  return {
    ...(verifies ? { ca: ca ?? "" } : { rejectUnauthorized: false }),
    ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(ciphers !== undefined && { ciphers }),
  };
}

type RawResult = (readonly (Uint8Array | null)[])[] & {
  readonly columns: readonly Partial<SqlColumn>[] | null;
};

function resultsOf(result: RawResult | RawResult[]): SqlResult[] {
  if ("columns" in result) return [resultOf(result)];
  return result.map(resultOf);
}

function resultOf(result: RawResult): SqlResult {
  const columns = (result.columns ?? []).map(({ type = 0, length = 0, flags = 0 }) => ({
    type,
    length,
    flags,
  }));
  return { columns, rows: result };
}

interface RuntimeFault {
  readonly code?: unknown;
  readonly errno?: unknown;
}

/** Errors with which a server ends the session: SQLSTATE classes 08 and 57P, MySQL's shutdown and kill. */
const ENDS_SESSION = /^(?:08...|57P..|53300|1053|1927|1152|1158|1159|1160|1161|2006|2013|4031)$/;

function faultOf(error: unknown, always: SqlFault["is"] | undefined): SqlFault {
  if (error instanceof SqlFault) return error;
  const { code, errno } = error as RuntimeFault;
  const number = errno === undefined ? "" : String(errno);
  const fromServer = number !== "" && /_(?:SERVER|SYNTAX)_ERROR$/.test(String(code));
  const is = always ?? (fromServer && !ENDS_SESSION.test(number) ? "refused" : "lost");
  return new SqlFault(is, error instanceof Error ? error.message : String(error), number, { cause: error });
}
