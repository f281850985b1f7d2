import { defer, type Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { Transaction } from "../phase.ts";
import type { Forwarded } from "../session_facts.ts";

const FILTER_MISSING = defer(451, "4.3.0", "Error: queue file write error");

function originalClient(forwarded: Forwarded | undefined): string | undefined {
  if (forwarded?.NAME === undefined && forwarded?.ADDR === undefined) return undefined;
  const name = forwarded.NAME ?? "unknown";
  return forwarded.ADDR === undefined ? name : `${name}[${forwarded.ADDR}]`;
}

/** A transaction with its queue id, or why it gets none. */
export type Opened = { readonly transaction: Transaction } | { readonly refusal: Reply };

/**
 * Gives a transaction its queue id, and tells the log whose it is. Before-queue filters cannot be asked yet: mail that must pass
 * one waits at the client, as when the filter is down.
 */
export function openMessage(context: Context, transaction: Transaction): Opened {
  const { settings, deps, facts: { login, forwarded } } = context;
  if (settings.proxyFilter) return { refusal: FILTER_MISSING };
  const id = deps.newId();
  deps.log.emit("smtpd", "client", {
    id,
    client: context.clientText,
    saslMethod: login?.method,
    saslUsername: login?.username,
    saslSender: transaction.parameters.auth,
    originalId: forwarded?.IDENT,
    originalClient: originalClient(forwarded),
  });
  return { transaction: { ...transaction, id } };
}
