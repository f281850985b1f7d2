import { isPromise } from "../base/maybe_async.ts";
import { quoteAddress } from "../address/address.ts";
import type { Cleanup, Committed } from "../cleanup/cleanup.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import { userReceived } from "../message/received.ts";
import type { Log } from "../observe/log.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import type { Content, QueueStore } from "../queue/store.ts";
import type { Reply } from "../smtp/reply.ts";

/** The parameters of mail that goes through cleanup(8) again. */
export const REQUEUE_PARAMETERS = [
  "myhostname",
  "mail_name",
  "content_filter",
] as const satisfies readonly ParameterName[];

/** What it takes. */
export interface RequeueDeps {
  /** Without milters: they have seen the message, and what they were told of its session is not known any more. */
  readonly cleanup: Cleanup;
  readonly store: Pick<QueueStore, "newId" | "remove">;
  readonly log: Log;
  readonly now: () => number;
  readonly settings: SettingsOf<typeof REQUEUE_PARAMETERS>;
  /** This process's user. */
  readonly uid: number;
}

/** The message, as the queue has it. */
interface Requeueing {
  readonly envelope: Envelope;
  readonly content: Content;
  /** Indexes of the recipients that are still to be delivered to. */
  readonly pending: readonly number[];
}

/** What became of it. */
type Result =
  | { readonly is: "done" }
  | { readonly is: "refused"; readonly detail: RecipientDetail }
  | { readonly is: "later" };

/**
 * Sends a message through cleanup(8) again under a new id, as pickup(8) does with what `postsuper -r` has moved to the maildrop: addresses
 * are rewritten and content is checked by what is configured now. Its sender, recipients, arrival and origin stay; how long it may stay in
 * the queue counts anew; what an access action or a check wanted of it the first time (FILTER, REDIRECT, HOLD) is forgotten.
 */
export function createRequeue(deps: RequeueDeps): (message: Requeueing) => Promise<Result> {
  return async (message) => {
    const { id } = message.envelope;
    if (message.pending.length === 0) return removed(deps, id);
    const committed = await submit(deps, message);
    // Thrown away by a check, it has no successor that took its place.
    if (committed.is === "queued") return removed(deps, id);
    const { reply } = committed;
    return reply.code < 500 ? { is: "later" } : { is: "refused", detail: detailOf(reply) };
  };
}

function removed({ store }: RequeueDeps, id: QueueId): Result {
  store.remove(id);
  return { is: "done" };
}

function detailOf({ status, lines }: Reply): RecipientDetail {
  return { status: status ?? "5.0.0", text: lines.join(" "), action: "failed" };
}

async function submit(deps: RequeueDeps, { envelope, content, pending }: Requeueing): Promise<Committed> {
  const { cleanup, store, log, now, settings, uid } = deps;
  const { sender, origin, ret, envid, body, smtputf8, requireTls, tlsNotRequired, verp, trace } = envelope;
  const [id, created] = [store.newId(), now()];
  log.emit("pickup", "pickedUp", { id, uid, from: quoteAddress(sender), orig_id: envelope.id });
  const message = cleanup.begin({
    id,
    arrival: envelope.arrival,
    created,
    replaces: envelope.id,
    sender,
    recipients: pending.map((index) => envelope.recipients[index]!),
    origin,
    ret,
    envid,
    body,
    smtputf8,
    requireTls,
    tlsNotRequired,
    verp,
    trace,
    contentFilter: settings.content_filter || undefined,
    prepend: [userReceived(settings, { id, uid, time: created })],
    completeHeaders: envelope.completeHeaders === true,
  });
  try {
    for await (const chunk of content.chunks()) {
      const written = message.write(chunk);
      if (isPromise(written)) await written;
    }
    return await message.commit();
  } catch (error) {
    message.abort();
    throw error;
  }
}
