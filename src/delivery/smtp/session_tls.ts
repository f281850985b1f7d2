import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import type { ClientLevel } from "../../tls/client_policy.ts";
import { handshakeText, type Trust } from "../../tls/connection_line.ts";
import type { EventFields } from "../../observe/events.ts";

/** What a session's handshake came to. */
export interface SessionTls {
  readonly facts: TlsFacts;
  readonly trust: Trust;
  /** `host[address]:port`. */
  readonly whom: string;
  readonly level: ClientLevel;
  /** The line of the connection goes to the log. */
  readonly isLogged: boolean;
}

/** The event of a connection under TLS, new or used again. */
export function serverTls(
  { facts, trust, whom, level, isLogged }: SessionTls,
  usage: "established" | "reused",
): EventFields<"serverTls"> {
  return {
    handshake: isLogged ? handshakeText(facts) : "",
    server: whom,
    usage,
    trust,
    security_level: level,
    protocol: facts.protocol,
    cipher: facts.cipher,
    bits: facts.bits,
    resumed: facts.reused,
  };
}
