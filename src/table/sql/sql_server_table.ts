import { systemClock } from "../../base/clock.ts";
import { type SqlConnection, SqlFault, type SqlServer } from "../../platform/database/sql_client.ts";
import type { TableContext } from "../context.ts";
import type { QueryFile } from "../query_file/query_file.ts";
import type { Parts } from "../query_file/query_template.ts";
import { LookupFault, remoteTable } from "../remote/remote_table.ts";
import { ServerFault, Servers } from "../remote/servers.ts";
import type { SqlPool } from "./sql_pool.ts";
import { SqlPools } from "./sql_pools.ts";
import { whenAdmitted } from "../query_file/query_domain.ts";
import { type Rows, sqlAnswer } from "./sql_answer.ts";
import { isAskable, type SqlTemplate, valuesFor } from "./sql_template.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";

/** Milliseconds to connect and log in, where a server's time is not shorter. */
const CONNECT_TIME = 5000;
/** A server that stops a statement by itself gets this long to say so. */
const GRACE = 500;
/** Connections that all tables of one process have at most to a server, with the same login. */
const MOST_CONNECTIONS = 8;

/** What varies between PostgreSQL and MySQL. */
export interface SqlTableType {
  /** Opens a connection and prepares its session, in which no statement may take longer than `limits` say. */
  readonly connect: (server: SqlServer, limits: SqlLimits) => Promise<SqlConnection>;
  /** What makes its sessions differ from others with the same server and limits. */
  readonly session?: string;
  /** Runs the query once. */
  readonly ask: (connection: SqlConnection, values: readonly string[]) => Promise<Rows>;
}

/** Milliseconds; `signal` gives up. */
export interface SqlLimits {
  readonly connect: number;
  readonly statement: number;
  readonly signal: AbortSignal;
}

interface PooledServer {
  readonly server: SqlServer;
  readonly pool: SqlPool;
  readonly key: string;
}

/** The table of one or several SQL servers that hold the same data. */
export function openSqlServerTable(
  spec: string,
  options: {
    readonly file: QueryFile;
    readonly context: TableContext;
    readonly template: SqlTemplate;
    readonly servers: readonly SqlServer[];
    readonly type: SqlTableType;
  },
): Table {
  const { file, context, template, type } = options;
  const idle = file.integer("idle_interval", 60, 1) * 1000;
  const longestRest = file.integer("retry_interval", 60, 1) * 1000;
  const statement = file.integer("timeout", 20, 1, 3600) * 1000;
  const limits = { connect: Math.min(CONNECT_TIME, statement), statement };
  const pools = context.sqlPools ?? new SqlPools();
  const pooled = options.servers.map((server): PooledServer => {
    const connect = (signal: AbortSignal) => type.connect(server, { ...limits, signal });
    const key = JSON.stringify([server, limits, idle, type.session]);
    return { server, key, pool: pools.take(key, { connect, most: MOST_CONNECTIONS, idle }) };
  });
  const servers = new Servers(spec, pooled, context, {
    nameOf: ({ server }) => serverName(server),
    order: "random",
    longestRest,
  });
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    template.domain.close();
    for (const { key } of pooled) pools.release(key);
  };
  const lookup = async (parts: Parts, signal: AbortSignal): Promise<Answer> => {
    const values = valuesFor(template.bound, parts, context);
    const rows = await servers.ask(
      ({ pool }) => attempt(signal, statement, (within) => pool.use(within, (one) => type.ask(one, values))),
      signal,
    );
    return sqlAnswer(rows, { rules: template.rules, key: parts, context });
  };
  // Time to find out that one server is dead and to ask another.
  const deadline = Math.min(pooled.length, 2) * (statement + GRACE) + GRACE;
  const pattern = template.rules.needs.isPartial || template.domain.restricts;
  return remoteTable(spec, context, { deadline, pattern, close }, (key, signal) => {
    const parts = isAskable(key, context) ? template.rules.needs.ofKey(key) : undefined;
    if (parts === undefined) return ABSENT;
    return whenAdmitted(template.domain, key, () => lookup(parts, signal), ABSENT);
  });
}

/** How messages call a server. */
function serverName({ path, host, port }: SqlServer): string {
  if (path !== undefined) return `unix:${path}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** One try on one server: what it does not do in time or cannot do now is a ServerFault, what it refuses a LookupFault. */
async function attempt<Result>(
  signal: AbortSignal,
  time: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = new AbortController();
  const why = new ServerFault(`no answer within ${time / 1000} seconds`);
  const cancel = systemClock.after(time + GRACE, () => late.abort(why));
  // AbortSignal.any would cost more than a lookup in a file.
  const giveUp = () => late.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await work(late.signal);
  } catch (error) {
    if (late.signal.reason === why) throw why;
    if (signal.aborted || !(error instanceof SqlFault)) throw error;
    throw error.is === "lost"
      ? new ServerFault(error.message, { cause: error })
      : new LookupFault(error.message, { cause: error });
  } finally {
    cancel();
    signal.removeEventListener("abort", giveUp);
  }
}
