import { event } from "./event.ts";

/** What a delivery line says of one recipient. Addresses are in external form; delays are texts of `delayText`. */
export interface DeliveryFields {
  readonly [name: string]: string | number | undefined;
  readonly id: string;
  readonly to: string;
  /** Only when it differs from `to`. */
  readonly orig_to?: string;
  readonly relay: string;
  readonly conn_use?: number;
  readonly delay: string;
  /** `a/b/c/d`. */
  readonly delays: string;
  /** What became of TLS, where the line is to tell (smtp_log_tls_feature_status). */
  readonly tls?: string;
  readonly dsn: string;
  /** sent, deferred, bounced, SOFTBOUNCE, deliverable, undeliverable. */
  readonly status: string;
  readonly text: string;
  /** How the server was spoken to under TLS; not in the text. */
  readonly tls_trust?: string;
  readonly tls_protocol?: string;
  readonly tls_cipher?: string;
}

/** Events of qmgr, the delivery agents and bounce. */
export const deliveryEvents = {
  /** `reason`: `connect to H[A]:P: Connection refused`. */
  connectFailed: event<{ reason: string }>("info", (e) => e.reason),
  /** A host is passed over and the next one tried; `reason` as in the delivery line. */
  hostSkipped: event<{ id: string; reason: string }>("info", (e) => `${e.id}: ${e.reason}`),
  /** TLS with another server. `handshake` is what was agreed on, "" where the log level does not ask for the line. */
  serverTls: event<
    {
      trust: string;
      usage: "established" | "reused";
      server: string;
      handshake: string;
      security_level: string;
      protocol: string;
      cipher: string;
      bits: number;
      resumed: boolean;
    }
  >(
    "info",
    (e) => e.handshake === "" ? "" : `${e.trust} TLS connection ${e.usage} to ${e.server}: ${e.handshake}`,
  ),
  lineFolded: event<{ id: string; limit: number }>(
    "info",
    (e) => `${e.id}: breaking line > ${e.limit} bytes with <CR><LF>SPACE`,
  ),
  queueActive: event<{ id: string; from: string; size: number; nrcpt: number }>(
    "info",
    (e) => `${e.id}: from=<${e.from}>, size=${e.size}, nrcpt=${e.nrcpt} (queue active)`,
  ),
  delivery: event<DeliveryFields>(
    "info",
    (e) =>
      `${e.id}: to=<${e.to}>${e.orig_to === undefined ? "" : `, orig_to=<${e.orig_to}>`}, relay=${e.relay}` +
      `${
        e.conn_use === undefined ? "" : `, conn_use=${e.conn_use}`
      }, delay=${e.delay}, delays=${e.delays}, ` +
      `${e.tls === undefined ? "" : `tls=${e.tls}, `}dsn=${e.dsn}, status=${e.status} (${e.text})`,
  ),
  expired: event<{ id: string; from: string; status: string }>(
    "info",
    (e) => `${e.id}: from=<${e.from}>, status=${e.status}, returned to sender`,
  ),
  removed: event<{ id: string }>("info", (e) => `${e.id}: removed`),
  /** `orig_id`: of the message that has gone through cleanup(8) again. */
  pickedUp: event<{ id: string; uid: number; from: string; orig_id?: string }>(
    "info",
    (e) => `${e.id}: uid=${e.uid} from=<${e.from}>${e.orig_id === undefined ? "" : ` orig_id=${e.orig_id}`}`,
  ),
  /** `effect`: placed on hold, released from hold, expired, removed, requeued (postsuper(1)). */
  superintended: event<{ id: string; effect: string }>("info", (e) => `${e.id}: ${e.effect}`),
  /** `kind`: sender non-delivery, sender delay, sender delivery status, postmaster non-delivery, postmaster delay. */
  notification: event<{ id: string; kind: string; notice: string }>(
    "info",
    (e) => `${e.id}: ${e.kind} notification: ${e.notice}`,
  ),
} as const;
