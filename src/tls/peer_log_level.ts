import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { logLevelWarnings, type TlsLogPart, tlsLogParts } from "./log_level.ts";

/** The other side of a connection. */
interface LoggedPeer {
  readonly name: string;
  readonly address: string;
}

/** What a table says of a peer. */
type FoundLevel =
  | { readonly is: "found"; readonly value: string }
  | { readonly is: "absent" }
  | { readonly is: "trouble"; readonly why: string };

/** What of TLS with a peer goes to the log. */
export type LogPartsFor = (peer: LoggedPeer) => MaybeAsync<ReadonlySet<TlsLogPart>>;

/** What says it: a table where it has the peer, else the general level. */
interface PeerLogLevels {
  /** `smtpd_tls_loglevel_maps`: for warnings. */
  readonly parameter: string;
  readonly general: ReadonlySet<TlsLogPart>;
  /** Undefined without tables. */
  readonly find: ((peer: LoggedPeer) => MaybeAsync<FoundLevel>) | undefined;
  readonly warn: (text: string) => void;
}

/** What goes to the log by peer. A table that cannot be asked is warned of, and says nothing: it is only about logging. */
export function logPartsByPeer({ parameter, general, find, warn }: PeerLogLevels): LogPartsFor {
  const partsOf = (found: FoundLevel) => {
    if (found.is === "trouble") warn(`${parameter}: ${found.why}`);
    if (found.is !== "found") return general;
    logLevelWarnings(parameter, found.value).forEach(warn);
    return tlsLogParts(found.value);
  };
  return find === undefined ? () => general : (peer) => then(find(peer), partsOf);
}
