import { type Address, deliveryOrder, NULL_ADDRESS } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { NOTIFY, type Recipient } from "../queue/envelope.ts";
import type { Copy } from "../rewrite/expand_recipients.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import type { Rewritten } from "../rewrite/rewriter.ts";
import { classed, defer, type Reply } from "../smtp/reply.ts";
import type { CleanupContext } from "./cleanup_deps.ts";

/** Sender and recipients as they go into the queue, or what is answered instead. */
export type Addressed =
  | {
    readonly is: "addressed";
    readonly sender: Address;
    readonly recipients: readonly Recipient[];
    /** Aliases that asked for a success notice; undefined when there are none. */
    readonly expanded: readonly Recipient[] | undefined;
  }
  /** All recipients were taken out on purpose. */
  | { readonly is: "nobody" }
  | { readonly is: "refused"; readonly reply: Reply };

const WRITE_ERROR = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");
const NO_RECIPIENT = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");

function refused(context: CleanupContext, id: string, why: string, reply: Reply): Addressed {
  context.log.note("cleanup", "warning", `${id}: ${why}`);
  return { is: "refused", reply };
}

/**
 * REDIRECT sends the whole message to one address in place of all others, copies included (access(5)). It is not looked up in
 * tables; the original and notices of the recipient stay who would have come first, as Postfix's queue manager has it.
 */
function redirected(
  context: CleanupContext,
  redirect: string | undefined,
  recipients: readonly Recipient[],
): readonly Recipient[] {
  const [first, ...others] = recipients;
  if (redirect === undefined || first === undefined) return recipients;
  const kept = others.reduce(
    (best, each) => deliveryOrder(each.address) < deliveryOrder(best.address) ? each : best,
    first,
  );
  return [{ ...kept, address: context.rewriter.standardForm(redirect, "local") }];
}

/** What is known of a message's addresses when its content is complete. */
export interface Addressing {
  readonly id: string;
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  /** Copies that were asked for. */
  readonly copies: readonly string[];
  readonly redirect: string | undefined;
  /** Filters have taken all recipients out. */
  readonly isEmptied: boolean;
  /** Made here: nobody gets copies. */
  readonly isOurs: boolean;
}

/** Nobody hears of copies; but Postfix's first one by access(5) is as any other recipient. */
function copies(context: CleanupContext, asked: readonly string[]): readonly Copy[] {
  const { alwaysBcc, noMappings } = context.settings;
  const all = asked.map((address, i) => ({ address, notify: i === 0 ? 0 : NOTIFY.never }));
  return alwaysBcc === "" || noMappings ? all : [...all, { address: alwaysBcc, notify: NOTIFY.never }];
}

/** The sender in standard form, after canonical tables and masquerading. */
export function rewrittenSender(
  context: CleanupContext,
  sender: string,
): MaybeAsync<Rewritten> {
  if (sender === "") return NULL_ADDRESS;
  const { rewriter, settings } = context;
  return rewriter.envelopeSender(sender, { noMappings: settings.noMappings });
}

/** Rewrites the sender, expands the recipients, adds copies (cleanup(8), ADDRESS_REWRITING_README). */
export function settleRecipients(
  context: CleanupContext,
  message: Addressing,
): MaybeAsync<Addressed> {
  const { id } = message;
  return then(rewrittenSender(context, message.sender), (sender) => {
    if (isTrouble(sender)) return refused(context, id, sender.trouble, WRITE_ERROR);
    const { noMappings } = context.settings;
    const noCopies = message.isOurs;
    const expansion = context.rewriter.expandRecipients(sender, message.recipients, {
      noMappings,
      noCopies,
      bcc: noCopies ? [] : copies(context, message.copies),
    });
    return then(expansion, (expanded): Addressed => {
      if (expanded.is === "trouble") {
        return refused(
          context,
          id,
          expanded.why,
          classed(defer(451, expanded.status, expanded.text), "resource"),
        );
      }
      const recipients = redirected(context, message.redirect, expanded.recipients);
      if (recipients.length === 0 && message.isEmptied) return { is: "nobody" };
      if (recipients.length === 0) {
        return refused(context, id, "no recipients are left after rewriting", NO_RECIPIENT);
      }
      const told = expanded.expanded.length > 0 ? expanded.expanded : undefined;
      return { is: "addressed", sender, recipients, expanded: told };
    });
  });
}
