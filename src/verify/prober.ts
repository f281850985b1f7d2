import { isPromise } from "../base/maybe_async.ts";
import { delayText } from "../base/delay_text.ts";
import type { Clock } from "../base/clock.ts";
import type { Cleanup } from "../cleanup/cleanup.ts";
import { type Address, quoteAddress } from "../address/address.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { mailDate } from "../message/date.ts";
import { internalReceived } from "../message/received.ts";
import type { Log } from "../observe/log.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import type { Content, Draft } from "../queue/store.ts";
import type { ProbeReport } from "./verifier.ts";
import type { VerifySender } from "./verify_sender.ts";

/** The parameters of probes. */
export const PROBE_PARAMETERS = [
  "myhostname",
  "mail_name",
  "delay_logging_resolution_limit",
] as const satisfies readonly ParameterName[];

/** What probes are made with. */
export interface ProberDeps {
  /** Builds the cleanup whose messages go where `draft` says (a probe is no queue file). */
  readonly cleanup: (drafts: { draft(id: QueueId): Draft }) => Cleanup;
  readonly newId: () => QueueId;
  readonly sender: VerifySender;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  readonly settings: SettingsOf<typeof PROBE_PARAMETERS>;
  /** Takes the finished probe to the queue manager. */
  readonly submit: (envelope: Envelope, content: Content, report: ProbeReport) => void;
}

const MULTIPLE = "aliased to multiple recipients";

/**
 * Makes probe messages: they go through cleanup like any other, then to the queue manager, but never to disk: a probe that is
 * lost is sent again when the address is next asked about (ADDRESS_VERIFICATION_README).
 */
export class Prober {
  readonly #deps: ProberDeps;
  readonly #cleanup: Cleanup;
  readonly #reports = new Map<QueueId, { readonly address: Address; readonly report: ProbeReport }>();

  constructor(deps: ProberDeps) {
    this.#deps = deps;
    this.#cleanup = deps.cleanup({
      draft: (id) => new ProbeDraft(id, (envelope, content) => this.#made(envelope, content)),
    });
  }

  /** Sends a probe; whatever goes wrong, the report hears its end. */
  send(address: Address, report: ProbeReport): void {
    const id = this.#deps.newId();
    this.#reports.set(id, { address, report });
    this.#make(id, address).catch((error) => this.#failed(id, String(error)));
  }

  async #make(id: QueueId, address: Address): Promise<void> {
    const { clock, sender, settings } = this.#deps;
    const arrival = clock.now();
    const message = this.#cleanup.begin({
      id,
      arrival,
      sender: sender.at(Math.floor(arrival / 1000)),
      recipients: [{ address, original: address, notify: 0 }],
      origin: {},
      kind: "probe",
      prepend: [internalReceived(settings, id, arrival)],
      completeHeaders: true,
    });
    const written = message.write(Buffer.from(`Date: ${mailDate(arrival)}\r\n`));
    if (isPromise(written)) await written;
    const committed = await message.commit();
    if (committed.is === "refused") this.#failed(id, committed.reply.lines.join(" "));
  }

  #failed(id: QueueId, why: string): void {
    const sent = this.#reports.get(id);
    this.#reports.delete(id);
    if (sent === undefined) return;
    this.#deps.log.note(
      "verify",
      "warning",
      `${id}: cannot make a probe for <${quoteAddress(sent.address)}>: ${why}`,
    );
    sent.report.ended("lost");
  }

  /** An alias for several is deliverable as it is: their results would overwrite each other (cleanup(8)). */
  #made(envelope: Envelope, content: Content): void {
    const sent = this.#reports.get(envelope.id);
    this.#reports.delete(envelope.id);
    if (sent === undefined) return;
    if (envelope.recipients.length <= 1) return this.#deps.submit(envelope, content, sent.report);
    this.#logMultiple(envelope, sent.address);
    sent.report.result(sent.address, { status: "deliverable", text: MULTIPLE });
    this.#deps.submit({ ...envelope, recipients: [] }, content, sent.report);
  }

  #logMultiple({ id, arrival }: Envelope, address: string): void {
    const { clock, log, settings } = this.#deps;
    const delay = delayText(clock.now() - arrival, settings.delay_logging_resolution_limit);
    log.emit("cleanup", "delivery", {
      id,
      to: quoteAddress(address),
      relay: "none",
      delay,
      delays: `${delay}/0/0/0`,
      dsn: "2.0.0",
      status: "deliverable",
      text: MULTIPLE,
    });
  }
}

/** A probe being written: a few header lines in memory. */
class ProbeDraft implements Draft {
  readonly id: QueueId;
  readonly #made: (envelope: Envelope, content: Content) => void;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(id: QueueId, made: (envelope: Envelope, content: Content) => void) {
    this.id = id;
    this.#made = made;
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
  }

  restart(): void {
    this.#pieces.length = this.#size = 0;
  }

  async *read(): AsyncIterable<Uint8Array> {
    yield* this.#pieces;
  }

  commit(envelope: Envelope, head: Uint8Array): Promise<void> {
    const bytes = Buffer.concat([head, ...this.#pieces]);
    this.#made(envelope, { size: bytes.length, bytes, chunks: () => piecesOf(bytes) });
    return Promise.resolve();
  }

  abort(): void {
    this.#pieces.length = 0;
  }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
