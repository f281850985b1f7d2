import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { Recipient } from "../queue/envelope.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import type { Rewritten } from "../rewrite/rewriter.ts";
import { defer, type Reply } from "../smtp/reply.ts";
import type { LateChanges, Submission } from "./cleanup.ts";
import type { CleanupHouse } from "./cleanup_deps.ts";

/** Sender and recipients as they go into the queue, or what is answered instead. */
export type Addressed =
  | {
    readonly is: "addressed";
    readonly sender: string;
    readonly recipients: readonly Recipient[];
    /** Aliases that asked for a success notice; undefined when there are none. */
    readonly expanded: readonly Recipient[] | undefined;
  }
  | { readonly is: "refused"; readonly reply: Reply };

const WRITE_ERROR = defer(451, "4.3.0", "Error: queue file write error");
const NO_RECIPIENT = defer(451, "4.3.0", "Error: queue file write error");

function refused(house: CleanupHouse, id: string, why: string, reply: Reply): Addressed {
  house.log.note("cleanup", "warning", `${id}: ${why}`);
  return { is: "refused", reply };
}

/**
 * REDIRECT sends the whole message to one address in place of all others, copies included (access(5)). It is not looked up in
 * tables; the first recipient's original and notices stay, as Postfix's queue manager has it.
 */
function redirected(
  house: CleanupHouse,
  redirect: string | undefined,
  recipients: readonly Recipient[],
): readonly Recipient[] {
  const [first] = recipients;
  if (redirect === undefined || first === undefined) return recipients;
  return [{ ...first, address: house.rewriter.standardForm(redirect, "local") }];
}

function copies(house: CleanupHouse, submission: Submission, late: LateChanges): readonly string[] {
  const asked = new Set([...submission.bcc ?? [], ...late.bcc ?? []]);
  const { alwaysBcc } = house.settings;
  return alwaysBcc === "" ? [...asked] : [...asked, alwaysBcc];
}

/** The sender in standard form, after canonical tables and masquerading. */
export function rewrittenSender(
  house: CleanupHouse,
  sender: string,
): MaybeAsync<Rewritten> {
  if (sender === "") return "";
  const { rewriter, settings } = house;
  return rewriter.envelopeSender(sender, { noMappings: settings.noMappings });
}

/** Rewrites the sender, expands the recipients, adds copies (cleanup(8), ADDRESS_REWRITING_README). */
export function settleRecipients(
  house: CleanupHouse,
  submission: Submission,
  late: LateChanges,
): MaybeAsync<Addressed> {
  const { id } = submission;
  return then(rewrittenSender(house, submission.sender), (sender) => {
    if (isTrouble(sender)) return refused(house, id, sender.trouble, WRITE_ERROR);
    const { noMappings } = house.settings;
    const noCopies = submission.kind !== undefined;
    const expansion = house.rewriter.expandRecipients(sender, submission.recipients, {
      noMappings,
      noCopies,
      bcc: noMappings || noCopies ? [] : copies(house, submission, late),
    });
    return then(expansion, (expanded): Addressed => {
      if (expanded.is === "trouble") {
        return refused(house, id, expanded.why, defer(451, expanded.status, expanded.text));
      }
      const recipients = redirected(house, late.redirect ?? submission.redirect, expanded.recipients);
      if (recipients.length === 0) {
        return refused(house, id, "no recipients are left after rewriting", NO_RECIPIENT);
      }
      const told = expanded.expanded.length > 0 ? expanded.expanded : undefined;
      return { is: "addressed", sender, recipients, expanded: told };
    });
  });
}
