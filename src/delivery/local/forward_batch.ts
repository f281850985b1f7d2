import { isPromise } from "../../base/maybe_async.ts";
import { type Address, quoteAddress } from "../../address/address.ts";
import type { Cleanup, Committed } from "../../cleanup/cleanup.ts";
import { internalReceived } from "../../message/received.ts";
import { passedNotify, type QueueId, type Recipient } from "../../queue/envelope.ts";
import type { Outcome } from "../agent.ts";
import type { DeliveryJob } from "../agent.ts";
import { failed, sent } from "../outcomes.ts";

/** What forwarding needs. */
export interface ForwardWorld {
  readonly cleanup: Cleanup;
  readonly newId: () => QueueId;
  readonly now: () => number;
  readonly settings: { readonly myhostname: string; readonly mail_name: string };
}

/** One message to be forwarded: same sender, same Delivered-To. */
interface Batch {
  readonly sender: Address;
  readonly delivered: string;
  readonly owned: boolean;
  readonly addresses: Set<Address>;
}

/** Collects the addresses that a recipient expands to elsewhere, and submits them at the end as new mail (local(8)). */
export class ForwardBatch {
  readonly #batches = new Map<string, Batch>();

  /** `owned`: a list with an owner; its members do not know who wrote to it. */
  add(address: Address, sender: Address, delivered: string, owned: boolean): void {
    const key = `${sender}\0${delivered}`;
    let batch = this.#batches.get(key);
    if (batch === undefined) {
      this.#batches.set(key, batch = { sender, delivered, owned, addresses: new Set() });
    }
    batch.addresses.add(address);
  }

  /** Submits what was collected, up to the first message that has to be tried again; an outcome for each message. */
  async submit(
    job: DeliveryJob,
    recipient: Recipient,
    world: ForwardWorld,
    deliveredHeader: boolean,
  ): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const batch of this.#batches.values()) {
      const committed = await submitOne(job, recipient, batch, world, deliveredHeader);
      const outcome = outcomeOf(job.transport, committed);
      outcomes.push(outcome);
      if (outcome.is === "deferred") break;
    }
    return outcomes;
  }
}

function outcomeOf(relay: string, committed: Committed): Outcome {
  if (committed.is === "queued") {
    const outcome = sent(relay, `forwarded as ${committed.id}`);
    return { ...outcome, detail: { ...outcome.detail, action: "relayed" } };
  }
  const { code, status, lines } = committed.reply;
  const class_ = code >= 500 ? "5" : "4";
  const fits = status !== undefined && status.startsWith(class_);
  return failed(relay, fits ? status : `${class_}.3.0`, `unable to forward message: ${lines.join(" ")}`);
}

async function submitOne(
  job: DeliveryJob,
  recipient: Recipient,
  batch: Batch,
  world: ForwardWorld,
  deliveredHeader: boolean,
): Promise<Committed> {
  const { envelope, content } = job;
  const [id, arrival] = [world.newId(), world.now()];
  const message = world.cleanup.begin({
    id,
    arrival,
    sender: batch.sender,
    recipients: [...batch.addresses].map((address): Recipient => ({
      address,
      original: batch.owned ? address : recipient.original,
      orcpt: batch.owned ? undefined : recipient.orcpt,
      notify: passedNotify(recipient.notify),
    })),
    origin: envelope.origin,
    ret: envelope.ret,
    envid: envelope.envid,
    body: envelope.body,
    smtputf8: envelope.smtputf8,
    requireTls: envelope.requireTls,
    kind: envelope.kind === "bounce" ? "bounce" : "mail",
    prepend: [
      internalReceived(world.settings, id, arrival),
      ...deliveredHeader ? [`Delivered-To: ${quoteAddress(batch.delivered)}\r\n`] : [],
    ],
    completeHeaders: false,
  });
  try {
    for await (const chunk of content.chunks()) {
      const written = message.write(chunk);
      if (isPromise(written)) await written;
    }
    job.handingOver?.();
    return await message.commit();
  } catch (error) {
    message.abort();
    throw error;
  }
}
