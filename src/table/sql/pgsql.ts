import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import {
  connectSql,
  type SqlConnection,
  SqlFault,
  type SqlServer,
  type SqlTls,
} from "../../platform/database/sql_client.ts";
import type { OpenType } from "../context.ts";
import { pgsqlServers } from "./pgsql_servers.ts";
import { withQueryFile } from "../query_file/query_file.ts";
import { PgsqlStatement } from "./pgsql_statement.ts";
import { openSqlServerTable, type SqlLimits } from "./sql_server_table.ts";
import { readSqlTemplate } from "./sql_template.ts";

const ATTRIBUTES = TABLE_PARAMETERS.pgsql!;

/** Parameters that connection poolers know too. */
const SESSION = { standard_conforming_strings: "on" };

/** `pgsql:/etc/postfix/file.cf`: a PostgreSQL database (pgsql_table(5)). */
export const openPgsql: OpenType = (name, spec, context, open) =>
  withQueryFile(name, spec, { context, attributes: ATTRIBUTES }, (file) => {
    const tables = { context, open };
    const template = readSqlTemplate(file, { spec, dialect: "pgsql", tables, legacyFunction: true });
    const statement = new PgsqlStatement(template.bound);
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
