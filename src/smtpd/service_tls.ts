import type { ServerTls, TlsFacts } from "../platform/socket/start_tls.ts";
import type { SessionTls } from "./session_facts.ts";

/** A client, and how the log names it. */
export interface LoggedClient {
  readonly name: string;
  readonly address: string;
  readonly text: string;
}

/** TLS of a service. */
export interface ServiceTls {
  /** How a handshake with that client begins now; undefined where there is no certificate to show. */
  begin(client: LoggedClient): ServerTls | undefined;
  /** What is known of the client by its handshake; the log hears what it is to hear. */
  learn(handshake: TlsFacts, client: LoggedClient): SessionTls;
}
