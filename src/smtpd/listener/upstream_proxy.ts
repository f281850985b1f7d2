import { onAbort } from "../../base/ending.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { clientText } from "../../access/reply/client_text.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../observe/log.ts";
import type { Connection, ConnectionHandler, Endpoint } from "../../platform/socket/connection.ts";
import { parseProxyHeader, type ProxyFamilies, type ProxyHeader } from "../../smtp/proxy_header.ts";
import { defer, printReply, type Reply } from "../../smtp/reply.ts";
import { connectFacts } from "../session_facts.ts";
import type { Smtpd } from "../smtpd.ts";
import { Statistics } from "../statistics.ts";

/** What a service behind a proxy needs to know. */
export interface UpstreamProxy {
  /** smtpd, or postscreen before it: whose parameters and whose words. */
  readonly program: "smtpd" | "postscreen";
  /** `smtpd_upstream_proxy_timeout`, milliseconds. */
  readonly timeout: number;
  readonly families: ProxyFamilies;
  readonly myhostname: string;
  readonly portLogging: boolean;
  readonly log: Log;
  readonly clock: Clock;
  /** Whether a proxy at this address is believed (smtpd_upstream_proxy_networks); all are where it is left out. */
  readonly trusts?: ((address: string) => MaybeAsync<boolean>) | undefined;
}

/** Connections whose header has not come yet; more are closed unheard. */
const MOST_WAITING = 1_000;
/** Bytes that may come before it is known who connects. */
const MOST_UNREAD = 65_536;
/** How long a peer may take to close its side after ours. */
const LINGER = 5_000;

/**
 * The smtpd behind a proxy that speaks the PROXY protocol (smtpd_upstream_proxy_protocol). No session begins before the header
 * has said who the client is: the proxy's own address, which may be a trusted one, counts for nobody else.
 */
export function behindProxy(smtpd: Smtpd, options: UpstreamProxy): Smtpd {
  const waiting = new Set<HeaderReader>();
  const settled: (() => void)[] = [];
  const over = (reader: HeaderReader) => {
    waiting.delete(reader);
    if (waiting.size === 0) { for (const tell of settled.splice(0)) tell(); }
  };
  let hurrying = false;
  return {
    accept(connection) {
      const reader = new HeaderReader(connection, options, smtpd, over);
      if (hurrying || waiting.size >= MOST_WAITING) connection.destroy();
      else {
        waiting.add(reader);
        // The caller binds the handler first.
        queueMicrotask(() => reader.start());
      }
      return reader;
    },
    stop(hurry) {
      // Headers go on coming: then the service tells the clients.
      smtpd.stop(hurry);
      onAbort(hurry, () => {
        hurrying = true;
        for (const reader of waiting) reader.abandon();
      });
    },
    async drained() {
      if (waiting.size > 0) await new Promise<void>((resolve) => void settled.push(resolve));
      await smtpd.drained();
    },
    get sessions() {
      return smtpd.sessions;
    },
    get waiting() {
      return smtpd.waiting + waiting.size;
    },
  };
}

/** A connection as the proxy describes it. */
function described(connection: Connection, remote: Endpoint, local: Endpoint): Connection {
  return {
    remote,
    local,
    write: (bytes) => connection.write(bytes),
    get unsent() {
      return connection.unsent;
    },
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    setTimeout: (milliseconds) => connection.setTimeout(milliseconds),
    socket: connection.socket,
    setHandler: (handler) => connection.setHandler(handler),
    startTls: (side) => connection.startTls(side),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
  };
}

/** Reads the header, then hands everything on to the session. The deadline is for the whole header: dripping does not extend it. */
class HeaderReader implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #options: UpstreamProxy;
  readonly #smtpd: Smtpd;
  readonly #over: (reader: HeaderReader) => void;
  readonly #cancel: () => void;
  readonly #gathered = new GatheredBytes();
  #session: ConnectionHandler | undefined;
  #done = false;
  /** Nothing is read before it is known whether who connects may speak for others. */
  #trusted = false;

  constructor(
    connection: Connection,
    options: UpstreamProxy,
    smtpd: Smtpd,
    over: (reader: HeaderReader) => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#smtpd = smtpd;
    this.#over = over;
    this.#cancel = options.clock.after(options.timeout, () => this.#refuseIncomplete());
  }

  start(): void {
    const { address } = this.#connection.remote;
    const answer = this.#options.trusts?.(address) ?? true;
    const settle = (trusted: boolean) => {
      if (this.#done) return;
      if (!trusted) return this.#refuse(`${address} is no proxy of ours (smtpd_upstream_proxy_networks)`);
      this.#trusted = true;
      if (this.#gathered.length > 0) this.#read();
    };
    if (isPromise(answer)) answer.then(settle, () => settle(false));
    else settle(answer);
  }

  data(chunk: Buffer): void {
    if (this.#session !== undefined) return this.#session.data(chunk);
    if (this.#done) return;
    this.#gathered.add(chunk);
    if (this.#trusted) this.#read();
    else if (this.#gathered.length > MOST_UNREAD) this.#refuse("too much before it is known who connects");
  }

  #read(): void {
    const header = parseProxyHeader(this.#gathered.bytes, this.#options.families);
    if (header.is === "bad") this.#refuse(header.why);
    else if (header.is !== "incomplete") this.#begin(header);
  }

  #begin(header: Exclude<ProxyHeader, { readonly is: "bad" | "incomplete" }>): void {
    const rest = this.#gathered.bytes.subarray(header.length);
    this.#finish();
    const session = this.#smtpd.accept(
      header.is === "local" ? this.#connection : described(this.#connection, header.client, header.server),
    );
    this.#session = session;
    if (rest.length > 0) session.data(rest);
  }

  #finish(): void {
    this.#done = true;
    this.#gathered.clear();
    this.#cancel();
    this.#over(this);
  }

  #refuseIncomplete(): void {
    const header = parseProxyHeader(this.#gathered.bytes, this.#options.families);
    if (!this.#done) this.#refuse("why" in header ? header.why : "timeout error");
  }

  #refuse(why: string): void {
    const { program, log, myhostname, portLogging } = this.#options;
    const header = this.#gathered.length === 0 ? "" : `: ${escaped(this.#gathered.bytes.subarray(0, 512))}`;
    this.#finish();
    log.note(program, "warning", `haproxy read: ${why}${header}`);
    const client = clientText(connectFacts(this.#connection).client, portLogging);
    if (program === "smtpd") log.emit("smtpd", "connect", { client });
    this.#connection.write(printReply(refusal(program, myhostname)));
    this.#connection.setTimeout(LINGER);
    this.#connection.end();
    if (program === "smtpd") log.emit("smtpd", "disconnect", { client, statistics: new Statistics().text() });
  }

  /** The service stops in a hurry: nobody has been promised anything. */
  abandon(): void {
    this.#finish();
    this.#connection.destroy();
  }

  end(): void {
    if (this.#session !== undefined) return this.#session.end();
    if (this.#done) return;
    if (this.#gathered.length === 0) this.#refuse("EOF");
    else this.#refuseIncomplete();
  }

  drain(): void {
    this.#session?.drain();
  }

  timeout(): void {
    if (this.#session === undefined) this.#connection.destroy();
    else this.#session.timeout();
  }

  close(error: NodeJS.ErrnoException | undefined): void {
    if (!this.#done) this.#finish();
    this.#session?.close(error);
  }
}

function refusal(program: UpstreamProxy["program"], myhostname: string): Reply {
  return program === "smtpd"
    ? defer(421, "4.3.0", `${myhostname} Server local error`)
    : defer(421, "4.3.2", "No system resources");
}

const NAMED: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  92: "\\\\",
};

/** Bytes as a C string shows them; for the log. */
function escaped(bytes: Buffer): string {
  return Array.from(bytes, (byte) =>
    NAMED[byte] ??
      (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`)).join(
      "",
    );
}
