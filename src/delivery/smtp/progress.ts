import type { DeliveryJob, DeliveryReport, Outcome } from "../agent.ts";
import type { RecipientDetail } from "../../message/recipient_detail.ts";
import { interrupted } from "../outcomes.ts";
import { detailOf, type Failure, isSoft } from "./failure.ts";
import type { Session } from "./client_session.ts";
import type { FeatureStatus } from "./tls/feature_status.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";

/** What a delivery has come to: who is done and how, who is left for the next host (smtp_trouble(3), smtp_rcpt(3)). */
export class Progress {
  readonly job: DeliveryJob;
  /** No other host is left: temporary failures are final for this attempt. */
  finalServer = false;
  /** A transaction ran to its end: a failing host after that does not make the destination dead. */
  completed = false;
  /** Why recipients failed or wait, last of all. */
  lastFailure: Failure | undefined;
  /** What has become of TLS with the last server, where delivery lines tell of it. */
  tlsStatus: FeatureStatus | undefined;

  readonly #outcomes: (Outcome | undefined)[];
  readonly #softBounce: boolean;
  readonly #now: () => number;
  readonly #started: number;
  readonly #skipped: (reason: string) => void;
  /** Positions that are left to deliver. */
  #left: number[];
  /** Positions that this session is done with, but the next may try. */
  readonly #kept = new Set<number>();
  #deadSite: RecipientDetail | undefined;
  #setupDone: number | undefined;
  #deliveryDone: number | undefined;
  #connectionUse = 1;

  constructor(
    job: DeliveryJob,
    options: {
      readonly softBounce: boolean;
      readonly now: () => number;
      readonly skipped: (reason: string) => void;
    },
  ) {
    this.job = job;
    this.#outcomes = new Array(job.recipients.length).fill(undefined);
    this.#left = job.recipients.map((_, position) => position);
    this.#softBounce = options.softBounce;
    this.#now = options.now;
    this.#skipped = options.skipped;
    this.#started = options.now();
  }

  /** Positions of the recipients that are still to be delivered. */
  get left(): readonly number[] {
    return this.#left;
  }

  /** Whether this session may still do something for a recipient. */
  isOpen(position: number): boolean {
    return this.#outcomes[position] === undefined && !this.#kept.has(position);
  }

  /** MAIL is about to be sent: set-up ends, transmission begins. */
  transmissionStarts(session: Session): void {
    this.#setupDone = this.#now();
    this.#deliveryDone = undefined;
    this.#connectionUse = session.uses;
  }

  transmissionEnds(): void {
    this.#deliveryDone = this.#now();
  }

  /** The session is over: who was kept is left for the next. */
  sessionEnds(): void {
    this.#left = this.#left.filter((position) => this.#outcomes[position] === undefined);
    this.#kept.clear();
  }

  /** All open recipients fail, or wait for the next host. `throttle` when the host itself is the trouble. */
  failAll(failure: Failure, session: Session | undefined, options: { readonly throttle: boolean }): void {
    this.lastFailure = failure;
    if (options.throttle && session !== undefined) session.reusable = false;
    const open = this.#left.filter((position) => this.isOpen(position));
    if (failure.interrupted === true) return open.forEach((position) => void this.#kept.add(position));
    if (this.#mayTryNext(failure)) {
      if (open.length > 0) this.#skipped(failure.text);
      for (const position of open) this.#kept.add(position);
      return;
    }
    this.#setupDone ??= this.#now();
    this.transmissionEnds();
    for (const position of open) this.#settle(position, failure, session);
    if (options.throttle && isSoft(failure) && open.length > 0 && !this.completed) {
      this.#deadSite ??= detailOf(failure);
    }
  }

  /** The service stops: whoever is left goes back as it was. */
  interrupt(): void {
    for (const position of this.#left) this.#outcomes[position] ??= interrupted("none");
    this.#left = [];
  }

  /** One recipient fails, or waits for the next host. */
  failOne(position: number, failure: Failure, session: Session): void {
    this.lastFailure = failure;
    if (this.#mayTryNext(failure)) {
      this.#skipped(failure.text);
      this.#kept.add(position);
    } else this.#settle(position, failure, session);
  }

  /** One recipient is delivered. */
  deliveredOne(
    position: number,
    reply: ServerReply,
    session: Session,
    options: { readonly final: boolean },
  ): void {
    this.#outcomes[position] = {
      is: "sent",
      relay: session.relay,
      detail: {
        status: reply.status,
        text: reply.text,
        action: options.final ? "delivered" : "relayed",
        remoteMta: session.peer.host,
        diagnosticType: "smtp",
        diagnostic: reply.text,
      },
      passedOn: session.features.dsn,
      ...tlsOf(session),
      ...this.#status(),
    };
  }

  /** Every recipient has exactly one outcome by now. */
  report(): DeliveryReport {
    const setupDone = this.#setupDone ?? this.#now();
    const outcomes = this.#outcomes.map((outcome, position) => {
      if (outcome === undefined) throw new Error(`recipient ${position} was left without an outcome`);
      return outcome;
    });
    return {
      outcomes,
      setup: Math.max(setupDone - this.#started, 0),
      transmission: Math.max((this.#deliveryDone ?? setupDone) - setupDone, 0),
      ...(this.#connectionUse > 1 ? { connectionUse: this.#connectionUse } : {}),
      ...(this.#deadSite === undefined ? {} : { deadSite: this.#deadSite }),
    };
  }

  #mayTryNext(failure: Failure): boolean {
    return !this.finalServer && (isSoft(failure) || this.#softBounce || failure.softUntilLast === true);
  }

  #settle(position: number, failure: Failure, session: Session | undefined): void {
    this.#outcomes[position] = {
      is: isSoft(failure) ? "deferred" : "bounced",
      relay: session?.relay ?? "none",
      detail: detailOf(failure),
      ...tlsOf(session),
      ...this.#status(),
    };
  }

  #status(): Pick<Outcome, "tlsStatus"> {
    return this.tlsStatus === undefined ? {} : { tlsStatus: this.tlsStatus.text };
  }
}

function tlsOf(session: Session | undefined): Pick<Outcome, "tls"> {
  if (session?.tls === undefined) return {};
  const { trust, facts: { protocol, cipher } } = session.tls;
  return { tls: { trust, protocol, cipher } };
}
