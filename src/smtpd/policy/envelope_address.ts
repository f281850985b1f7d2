import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { Phase } from "../phase.ts";
import { answer, type Step } from "../step.ts";

/** The grammar's refusal, with the log's warning for a path that could not be read. */
export function misread(
  phase: Phase,
  { deps, clientText: client, where }: Context,
  { reply, badPath }: { readonly reply: Reply; readonly badPath?: string | undefined },
): Step {
  if (badPath !== undefined) deps.log.emit("smtpd", "illegalAddress", { client, where, path: badPath });
  return answer(phase, reply);
}

/** Addresses that may lead elsewhere than they look: only those are worth asking the router about. */
const ROUTED = /[%!]|@.*@/;

/** Whether mail could go to an address at all, once its routing is undone; plain ones were judged when they were read. */
export function acceptable(
  { deps }: Context,
  address: string,
  other: string | undefined,
  utf8: boolean,
): MaybeAsync<boolean> {
  return ROUTED.test(address) ? deps.access.acceptsAddress(address, other, utf8) : true;
}
