import type { ConnectionHandler } from "../../platform/socket/connection.ts";
import { printReply, type Reply } from "../../smtp/reply.ts";
import type { Smtpd } from "../smtpd.ts";

/** How long a peer may take to close its side after ours. */
const LINGER = 5_000;

/** In place of an smtpd that may not serve: every client hears why and is gone. */
export function noServer(reply: Reply, turnedAway: () => void): Smtpd {
  return {
    sessions: 0,
    waiting: 0,
    stop: () => {},
    drained: () => Promise.resolve(),
    accept(connection): ConnectionHandler {
      turnedAway();
      connection.write(printReply(reply));
      connection.setTimeout(LINGER);
      connection.end();
      return {
        data: () => {},
        end: () => {},
        drain: () => {},
        close: () => {},
        timeout: () => connection.destroy(),
      };
    },
  };
}
