import { internalAddress, NULL_ADDRESS } from "../address/address.ts";
import type { Submission } from "../cleanup/cleanup.ts";
import { userReceived } from "../message/received.ts";
import type { HandedState } from "../platform/file/handed_file.ts";
import type { Envelope, QueueId, Recipient } from "../queue/envelope.ts";
import type { DropSummary } from "./drop/drop_reader.ts";
import type { DropRecipient } from "./drop/drop_records.ts";
import type { PickupDeps } from "./pickup_deps.ts";

/** A whole drop, and whose it is. */
export interface ReadDrop {
  readonly id: QueueId;
  readonly state: HandedState;
  readonly summary: DropSummary;
  /** As the drop says, or the owner's login name. */
  readonly sender: string;
}

const DAY = 86_400_000;
/** How far the clock of who submits may be ahead, as with a folder that is mounted from elsewhere. */
const AHEAD = 7_200_000;

/** When the message came: when its file was written, which is warned of where it cannot be or is long ago. */
function arrivalOf({ id, state: { mtime, uid } }: ReadDrop, { log, clock }: PickupDeps): number {
  const age = clock.now() - mtime;
  if (age < -AHEAD) {
    log.note(
      "pickup",
      "warning",
      `${id}: message of uid=${uid} dated ${Math.round(-age / 1000)} seconds into the future`,
    );
  } else if (age > DAY) {
    log.note(
      "pickup",
      "warning",
      `${id}: message of uid=${uid} has been queued for ${Math.floor(age / DAY)} days`,
    );
  }
  return Math.min(mtime, clock.now());
}

/** What a drop is for cleanup: its owner is where it comes from. */
export function submissionOf(drop: ReadDrop, deps: PickupDeps): Submission {
  const { settings, rewriter } = deps;
  const { envelope, recipients } = drop.summary;
  const { uid } = drop.state;
  const arrival = arrivalOf(drop, deps);
  const full = (address: string) => rewriter.standardForm(address, "local");
  return {
    id: drop.id,
    arrival,
    sender: drop.sender === "" ? NULL_ADDRESS : full(drop.sender),
    recipients: recipients.map((each) => recipientOf(each, full)),
    origin: { uid },
    ret: envelope.ret,
    envid: envelope.envid,
    body: envelope.body,
    smtputf8: envelope.smtputf8,
    requireTls: envelope.requireTls,
    verp: envelope.verp,
    trace: envelope.verifyOnly ? "verify" : envelope.reportDelivery ? "record" : undefined,
    contentFilter: settings.content_filter || undefined,
    fullName: envelope.fullName,
    prepend: [userReceived(settings, { id: drop.id, uid, time: arrival })],
    completeHeaders: !envelope.relayed,
    signs: !envelope.relayed,
    isReturned: true,
  };
}

function recipientOf(
  { address, notify = 0, orcpt }: DropRecipient,
  full: (address: string) => Recipient["address"],
) {
  const original = internalAddress(address);
  return { address: address === "" ? original : full(address), original, notify, orcpt };
}

/** As it would be in the queue, where cleanup does not say how. */
export function envelopeOf(
  { id, arrival, sender, recipients, origin, envid, body, smtputf8, verp }: Submission,
): Envelope {
  return { id, arrival, sender, recipients, origin, envid, body, smtputf8, verp };
}
