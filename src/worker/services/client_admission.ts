import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../observe/log.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import { defer } from "../../smtp/reply.ts";
import { noServer } from "../../smtpd/listener/no_server.ts";
import type { DescriptorShares } from "./descriptor_shares.ts";

/** What postscreen(8) says when it has no more room. */
const BUSY = defer(421, "4.3.2", "All server ports are busy");
/** How often the log tells the operator what is scarce, in milliseconds. */
const REMINDER = 60_000;

/** What the door needs. */
export interface AdmissionOptions {
  readonly shares: Pick<DescriptorShares, "clients" | "turnedAway">;
  readonly openFiles: number;
  readonly log: Log;
  readonly clock: Pick<Clock, "now">;
  /** Hears the code of each reply, for metrics. */
  readonly replied: (code: number) => void;
}

/** Lets in as many clients as there are descriptors for, over all services of a worker; the others hear 421. */
export class ClientAdmission {
  readonly #options: AdmissionOptions;
  #inside = 0;
  #turnedAway = 0;
  readonly #empty: (() => void)[] = [];
  #remindedAt = -Infinity;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Where a listener may stop to accept by itself: the door has answered long before. */
  get most(): number {
    const { clients, turnedAway } = this.#options.shares;
    return clients + turnedAway;
  }

  /** Resolves when the connections of all clients are closed, of those that have been told so too. */
  empty(): Promise<void> {
    if (this.#inside + this.#turnedAway === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#empty.push(resolve));
  }

  #left(): void {
    if (this.#inside + this.#turnedAway > 0) return;
    for (const tell of this.#empty.splice(0)) tell();
  }

  accept(
    connection: Connection,
    open: (connection: Connection) => ConnectionHandler,
  ): ConnectionHandler {
    const { clients, turnedAway } = this.#options.shares;
    if (this.#inside >= clients) {
      if (this.#turnedAway >= turnedAway) connection.destroy();
      else return this.#turnAway(connection);
    }
    this.#inside++;
    return closing(open(connection), () => {
      this.#inside--;
      this.#left();
    });
  }

  #turnAway(connection: Connection): ConnectionHandler {
    const { log, replied, shares, openFiles, clock } = this.#options;
    const { address, port } = connection.remote;
    this.#turnedAway++;
    log.note("smtpd", "info", `NOQUEUE: reject: CONNECT from [${address}]:${port}: all server ports busy`);
    if (clock.now() - this.#remindedAt >= REMINDER) {
      this.#remindedAt = clock.now();
      const text =
        `all ${shares.clients} connections are in use that a limit of ${openFiles} open files leaves ` +
        "for clients of this process: raise the limit (LimitNOFILE of systemd, ulimit -n)";
      log.note("smtpd", "warning", text);
    }
    replied(BUSY.code);
    return closing(noServer(BUSY, () => {}).accept(connection), () => {
      this.#turnedAway--;
      this.#left();
    });
  }
}

/** The same handler, with somebody who hears of the end. */
function closing(handler: ConnectionHandler, closed: () => void): ConnectionHandler {
  return {
    data: (chunk) => handler.data(chunk),
    end: () => handler.end(),
    drain: () => handler.drain(),
    timeout: () => handler.timeout(),
    close(error) {
      closed();
      handler.close(error);
    },
  };
}
