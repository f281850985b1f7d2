import { type ConnectionPool, ExchangeFault, type Request } from "../../platform/socket/connection_pool.ts";
import { ServerFault } from "../remote/servers.ts";

/**
 * Puts a request to a server, once more where it ended the connection: a kept one may have been closed by a server that started
 * anew. What else goes wrong with the connection is a ServerFault; `called` is what the server is called when there is none.
 */
export async function exchange<Reply>(
  pool: ConnectionPool,
  called: string,
  request: Request<Reply>,
): Promise<Reply> {
  try {
    return await pool.exchange(request);
  } catch (error) {
    if (!(error instanceof ExchangeFault)) throw error;
    if (error.is !== "hung up") throw serverFault(error, called);
  }
  try {
    return await pool.exchange(request);
  } catch (error) {
    throw error instanceof ExchangeFault ? serverFault(error, called) : error;
  }
}

/** A fault of the connection as one of the server. */
export function serverFault(error: ExchangeFault, called: string): ServerFault {
  const why = error.is === "timed out" ? "time limit exceeded" : error.message;
  const warning = error.is === "no connection" ? { warning: `connect to ${called}: ${why}` } : {};
  return new ServerFault(why, { cause: error, ...warning });
}
