import type { Address } from "../address/address.ts";
import type { Content } from "../queue/store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { Envelope, Recipient } from "../queue/envelope.ts";

/** One delivery: some recipients of a message that share transport and next hop. */
export interface DeliveryJob {
  readonly envelope: Envelope;
  /** The recipients to deliver to now, with their indexes in the envelope. */
  readonly recipients: readonly { readonly index: number; readonly recipient: Recipient }[];
  /** master.cf service name: `smtp`, `relay`, `local`, ... */
  readonly transport: string;
  /** Next hop as routed: domain, `[host]:port`, or a transport's own word. */
  readonly nexthop: string;
  readonly content: Content;
  /**
   * More messages wait for this destination: the agent keeps its connection for the next one
   * (smtp_connection_cache_on_demand). `false` closes it after this delivery; not said counts as true.
   */
  readonly more?: boolean;
  /**
   * The agent calls this just before something goes out that may count as delivered: end of data, a mailbox, a command. A delivery that
   * never did is given up at once when the service stops. Throws when that has happened already.
   */
  readonly handingOver?: () => void;
}

/** How a server was spoken to under TLS. */
export interface OutcomeTls {
  /** `Anonymous`, `Untrusted`, `Trusted` or `Verified`. */
  readonly trust: string;
  readonly protocol: string;
  readonly cipher: string;
}

/** What became of one recipient (every recipient gets exactly one). */
export type Outcome =
  & {
    readonly tls?: OutcomeTls;
    /** What became of TLS and REQUIRETLS: `may`, `dane:encrypt` (smtp_log_tls_feature_status). */
    readonly tlsStatus?: string;
  }
  & OutcomeKind;

type OutcomeKind =
  | {
    readonly is: "sent";
    readonly relay: string;
    readonly detail: RecipientDetail;
    /** The next host took over NOTIFY=SUCCESS (it announced DSN): no success report is due here (RFC 3461 §5.2.2). */
    readonly passedOn?: boolean;
    readonly parts?: readonly Part[];
  }
  | {
    readonly is: "deferred";
    /** The end of the service came between: the recipient goes back as it was, without a line or a wait. */
    readonly interrupted?: true;
    readonly relay: string;
    readonly detail: RecipientDetail;
    readonly parts?: readonly Part[];
  }
  | {
    readonly is: "bounced";
    readonly relay: string;
    readonly detail: RecipientDetail;
    readonly parts?: readonly Part[];
  };

/**
 * One final delivery of a recipient that local(8) expanded (aliases, .forward). Each part has a log line and, when it
 * bounced, an entry of its own in the notice; the outcome that holds the parts says what becomes of the recipient.
 */
export interface Part {
  /** The address delivered to, internal form. */
  readonly address: string;
  readonly outcome: Outcome;
  /** The owner of the list that it is of, who is told when it bounces (local(8)). */
  readonly owner?: Address;
  /** It is a member of that list: what the sender wrote, and wished of notices, is nobody's business from here on. */
  readonly member?: true;
  /** The agent that delivered, where local(8) handed over to another (mailbox_transport); its name is in the log line. */
  readonly by?: Agent["program"];
}

/** A finished delivery. `outcomes` runs parallel to the job's recipients. */
export interface DeliveryReport {
  readonly outcomes: readonly Outcome[];
  /** Milliseconds spent in connection set-up and in transmission (log's delays c and d). */
  readonly setup: number;
  readonly transmission: number;
  /** How many deliveries this connection has served, from 2 on (log's conn_use). */
  readonly connectionUse?: number;
  /** The destination itself failed (no connection, greeting refused): feeds qmgr's dead-site memory. */
  readonly deadSite?: RecipientDetail;
}

/** A delivery agent. Never rejects for a mail reason; a rejection is a fault and defers all recipients with 4.3.0. */
export interface Agent {
  /** Program name in log lines (smtp, local, ...). */
  readonly program: "smtp" | "lmtp" | "local" | "virtual" | "pipe" | "error" | "discard";
  /** After `signal` has aborted nothing more is begun: only what has been handed over is worth waiting for. */
  deliver(job: DeliveryJob, signal: AbortSignal): Promise<DeliveryReport>;
  /** Closes cached connections. */
  close(): Promise<void>;
}
