import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Reply } from "../../smtp/reply.ts";
import { NO_FILTER } from "../before_queue/filter_session.ts";
import type { Context } from "../context.ts";
import type { Transaction } from "../phase.ts";
import type { Forwarded } from "../session_facts.ts";

function originalClient(forwarded: Forwarded | undefined): string | undefined {
  if (forwarded === undefined) return undefined;
  const name = forwarded.NAME ?? "unknown";
  return forwarded.ADDR === undefined ? name : `${name}[${forwarded.ADDR}]`;
}

/** A transaction with its queue id or its filter, or why it gets none. */
export type Opened = { readonly transaction: Transaction } | { readonly refusal: Reply };

/** Gives a transaction its queue id, or opens it at its filter, and tells the log whose it is; at once when that was done before. */
export function openMessage(context: Context, transaction: Transaction): MaybeAsync<Opened> {
  const { settings, deps } = context;
  const { id, filter } = transaction;
  if (id !== undefined || filter?.isOpen === true) return { transaction };
  if (!settings.proxyFilter) {
    const opened = { ...transaction, id: deps.newId() };
    logClient(context, opened);
    return { transaction: opened };
  }
  if (filter === undefined) return { refusal: NO_FILTER };
  return then(filter.open(), (refusal) => {
    if (refusal !== undefined) return { refusal };
    logClient(context, transaction);
    return { transaction };
  });
}

function logClient(context: Context, transaction: Transaction): void {
  const { deps, facts: { login, forwarded } } = context;
  deps.log.emit("smtpd", "client", {
    id: transaction.id ?? "NOQUEUE",
    client: context.clientText,
    saslMethod: login?.method,
    saslUsername: login?.username,
    saslSender: transaction.parameters.auth,
    originalId: forwarded?.IDENT,
    originalClient: originalClient(forwarded),
  });
}
