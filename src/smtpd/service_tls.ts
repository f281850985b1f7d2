import type { MaybeAsync } from "../base/maybe_async.ts";
import type { ServerTls, TlsFacts } from "../platform/socket/start_tls.ts";
import type { SessionTls } from "./session_facts.ts";

/** A client, and how the log names it. */
export interface LoggedClient {
  readonly name: string;
  readonly address: string;
  readonly text: string;
}

/** A handshake with a client that can begin. */
export interface ServerHandshake {
  readonly side: ServerTls;
  /** What is known of the client by it; the log hears what it is to hear. */
  readonly learn: (handshake: TlsFacts) => SessionTls;
}

/** TLS of a service. */
export interface ServiceTls {
  /** How a handshake with that client begins now; undefined where there is no certificate to show. */
  begin(client: LoggedClient): MaybeAsync<ServerHandshake | undefined>;
}
