import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import {
  connectSql,
  type SqlConnection,
  SqlFault,
  type SqlResult,
  type SqlServer,
} from "../../platform/database/sql_client.ts";
import type { OpenType } from "../context.ts";
import { mysqlServers } from "./mysql_servers.ts";
import { mysqlText } from "./mysql_text.ts";
import { withQueryFile } from "../query_file/query_file.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { MOST_ROWS, type Rows } from "./sql_answer.ts";
import { openSqlServerTable, type SqlLimits } from "./sql_server_table.ts";
import { readSqlTemplate, statementText } from "./sql_template.ts";

const ATTRIBUTES = TABLE_PARAMETERS.mysql!;

/** `mysql:/etc/postfix/file.cf`: a MySQL or MariaDB database (mysql_table(5)). */
export const openMysql: OpenType = (name, spec, context, open) =>
  withQueryFile(name, spec, { context, attributes: ATTRIBUTES }, (file) => {
    const template = readSqlTemplate(file, { spec, dialect: "mysql", tables: { context, open } });
    const { servers, charset } = mysqlServers(file, context);
    const text = statementText(template.bound, () => "?");
    const needsResult = file.flag("require_result_set", true);
    return openSqlServerTable(spec, {
      file,
      context,
      template,
      servers,
      type: {
        session: charset,
        connect: (server, limits) => connect(server, charset, limits),
        ask: async (connection, values) => rowsOf(await connection.query(text, values), needsResult),
      },
    });
  });

/** MariaDB knows the first variable, MySQL the second. */
const statementLimits = (milliseconds: number) => [
  `max_statement_time = ${milliseconds / 1000}`,
  `max_execution_time = ${milliseconds}`,
];
const UNKNOWN_VARIABLE = "1193";

async function connect(server: SqlServer, charset: string, limits: SqlLimits): Promise<SqlConnection> {
  const { signal } = limits;
  const connection = await connectSql(server, { timeout: limits.connect, signal });
  const giveUp = () => connection.close();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    if (charset !== "utf8mb4") await connection.run(`SET NAMES ${charset}`);
    await connection.run(`SET SESSION sql_select_limit = ${MOST_ROWS + 1}`);
    await limitStatements(connection, limits.statement);
    return connection;
  } catch (error) {
    connection.close();
    // Whatever it was: this server cannot be asked.
    throw error instanceof SqlFault
      ? new SqlFault("lost", error.message, error.code, { cause: error })
      : error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

async function limitStatements(connection: SqlConnection, milliseconds: number): Promise<void> {
  for (const limit of statementLimits(milliseconds)) {
    try {
      return await connection.run(`SET SESSION ${limit}`);
    } catch (error) {
      if (!(error instanceof SqlFault) || error.code !== UNKNOWN_VARIABLE) throw error;
    }
  }
}

/** A procedure gives its results, and an empty one at its end; only one of them may have rows (mysql_table(5)). */
function rowsOf(results: readonly SqlResult[], needsResult: boolean): Rows {
  const [first, second] = results.filter(({ columns }) => columns.length > 0);
  if (second !== undefined) {
    throw new LookupFault("query failed: multiple result sets returning data are not supported");
  }
  if (first !== undefined) {
    return first.rows.map((row) =>
      row.map((value, at) => value === null ? null : mysqlText(value, first.columns[at]!))
    );
  }
  if (needsResult) {
    throw new LookupFault("query failed: query returned no result set (require_result_set = yes)");
  }
  return [];
}
