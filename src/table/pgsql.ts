import { TABLE_PARAMETERS } from "../config/table_parameters.ts";
import {
  connectSql,
  type SqlConnection,
  SqlFault,
  type SqlServer,
  type SqlTls,
} from "../platform/sql_client.ts";
import type { OpenType } from "./context.ts";
import { pgsqlServers } from "./pgsql_servers.ts";
import { withQueryFile } from "./query_file.ts";
import type { BoundQuery } from "./sql_query.ts";
import { MOST_ROWS, type Rows } from "./sql_answer.ts";
import { openSqlServerTable, type SqlLimits } from "./sql_server_table.ts";
import { readSqlTemplate, statementText } from "./sql_template.ts";

/** Those of Postfix 3.7, what later versions added, and our own `timeout`. */
const ATTRIBUTES = [...TABLE_PARAMETERS.pgsql!, "encoding", "idle_interval", "retry_interval", "timeout"];

/** Parameters that connection poolers know too. */
const SESSION = { standard_conforming_strings: "on" };

/** `pgsql:/etc/postfix/file.cf`: a PostgreSQL database (pgsql_table(5)). */
export const openPgsql: OpenType = (name, spec, context, open) =>
  withQueryFile(name, spec, { context, attributes: ATTRIBUTES }, (file) => {
    const tables = { context, open };
    const template = readSqlTemplate(file, { spec, dialect: "pgsql", tables, legacyFunction: true });
    const statement = new Statement(template.bound);
    const client_encoding = file.text("encoding") ?? "UTF8";
    const parameters = { ...SESSION, client_encoding };
    return openSqlServerTable(spec, {
      file,
      context,
      template,
      servers: pgsqlServers(file, context).map((server) => ({
        ...server,
        parameters: { ...server.parameters, ...parameters },
      })),
      type: {
        connect,
        ask: (connection, values) => statement.run(connection, values),
      },
    });
  });

/** "invalid authorization specification": pg_hba.conf has no entry for a connection with, or without, TLS. */
const NO_ENTRY = "28000";
/** `prefer` is TLS first, `allow` TLS last, and each the other when the server has no entry for it (libpq's sslmode). */
const MODES: Readonly<Record<string, readonly SqlTls["mode"][]>> = {
  prefer: ["prefer", "disable"],
  allow: ["disable", "require"],
};

async function connect(server: SqlServer, limits: SqlLimits): Promise<SqlConnection> {
  const { tls } = server;
  const options = { timeout: limits.connect, signal: limits.signal };
  const [first, second] = MODES[tls?.mode ?? ""] ?? [];
  if (tls === undefined || first === undefined || second === undefined) {
    return await connectSql(server, options);
  }
  try {
    return await connectSql({ ...server, tls: { ...tls, mode: first } }, options);
  } catch (error) {
    if (!(error instanceof SqlFault) || error.code !== NO_ENTRY) throw error;
    return await connectSql({ ...server, tls: { ...tls, mode: second } }, options);
  }
}

const EMPTY = new Uint8Array(0);
/** "could not determine data type of parameter" */
const INDETERMINATE = "42P18";

/**
 * The query as this server takes it. A parameter without a type is what a string constant is: it takes the type of what it is
 * compared with. Where there is nothing to tell the type (`concat('%s', 'x')`), a constant is text; a parameter has to be told.
 */
class Statement {
  readonly #bound: BoundQuery;
  readonly #told = new Set<number>();
  #text: string;

  constructor(bound: BoundQuery) {
    this.#bound = bound;
    this.#text = this.#write();
  }

  async run(connection: SqlConnection, values: readonly string[]): Promise<Rows> {
    for (;;) {
      const text = this.#text;
      try {
        const results = await connection.query(text, values);
        // libpq gives NULL as the empty string, which earns a warning.
        return (results[0]?.rows ?? []).map((row) => row.map((value) => value ?? EMPTY));
      } catch (error) {
        if (!this.#tells(error) && text === this.#text) throw error;
      }
    }
  }

  /** Learns from a complaint about a parameter's type; false when there is nothing new to learn. */
  #tells(error: unknown): boolean {
    if (!(error instanceof SqlFault) || error.code !== INDETERMINATE) return false;
    const hole = Number(/\$(\d+)/.exec(error.message)?.[1] ?? 0) - 1;
    if (hole < 0 || hole >= this.#bound.holes.length || this.#told.has(hole)) return false;
    this.#told.add(hole);
    this.#text = this.#write();
    return true;
  }

  /** In brackets the server itself can cut off too many rows. */
  #write(): string {
    const text = statementText(
      this.#bound,
      (hole) => `$${hole + 1}${this.#told.has(hole) ? "::text" : ""}`,
    );
    return this.#bound.isPlainSelect ? `SELECT * FROM (${text}) AS mta LIMIT ${MOST_ROWS + 1}` : text;
  }
}
