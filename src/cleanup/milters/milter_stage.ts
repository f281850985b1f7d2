import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { ChainContent } from "../../milter/filter_chain.ts";
import type { Verdict } from "../../milter/verdict.ts";
import { classed, defer } from "../../smtp/reply.ts";
import type { ContentMilters } from "../cleanup.ts";
import { replyToFault } from "../message_draft.ts";
import type { Stage } from "../stage.ts";
import { MilterChanges } from "./milter_changes.ts";
import { milterOriginText } from "./milter_origin.ts";
import type { MilterStageDeps } from "./milter_stage_deps.ts";

const CLOSING = classed(defer(421, "4.7.0", "Server closing connection"), "policy");

/** The fields that filters see: all but the first Received, which is our own. */
export function fieldsForMilters(fields: readonly string[]): readonly string[] {
  const own = fields.findIndex((field) => /^received[ \t]*:/i.test(field));
  return own < 0 ? fields : fields.filter((_, at) => at !== own);
}

/** Leads content through the milters of an SMTP session: through the first one while it comes in. */
export class MilterStage implements Stage {
  readonly #deps: MilterStageDeps;
  readonly #milters: ContentMilters;
  #content: ChainContent | undefined;

  constructor(deps: MilterStageDeps, milters: ContentMilters) {
    this.#deps = deps;
    this.#milters = milters;
  }

  headerEnd(): MaybeAsync<void> {
    const { chain, macros } = this.#milters;
    const { message } = this.#deps;
    if (!chain.wantsContent) return;
    const content = this.#content = chain.beginContent(macros);
    // Of an endless header the rest lies in the store already: then it is read there when all has come.
    if (message.follow((bytes) => content.body(bytes))) {
      return content.header(fieldsForMilters(message.fields));
    }
  }

  end(): MaybeAsync<void> {
    if (this.#content !== undefined) return endContent(this.#content, this.#deps);
  }
}

/** The content is complete: the milters' word on it, and what they want changed, is carried out. */
export async function endContent(content: ChainContent, deps: MilterStageDeps): Promise<void> {
  const { message } = deps;
  const changes = new MilterChanges(deps);
  try {
    const verdict = await content.end({
      get fields() {
        return fieldsForMilters(message.fields);
      },
      readBody: () => message.readBody(),
      get isOver() {
        return changes.isOver;
      },
      apply: (edit, space) => changes.apply(edit, space),
      replaceBody: (pieces) => changes.replaceBody(pieces),
    });
    // What a change came to has been told.
    if (verdict !== undefined && !message.isOver) applyVerdict(verdict, "END-OF-MESSAGE", deps);
  } catch (error) {
    message.refuse(replyToFault(error));
  }
}

/** Carries out what filters say of a message, and tells the log; answers whether it is refused. */
export function applyVerdict(verdict: Verdict, stage: string, deps: MilterStageDeps): boolean {
  const { submission, message, log } = deps;
  const tell = (verb: string, text: string) => {
    log.note("cleanup", "info", `${submission.id}: ${verb}: ${stage} ${milterOriginText(submission, text)}`);
  };
  switch (verdict.is) {
    case "hold":
      if (!submission.hold) tell("milter-hold", "milter triggers HOLD action");
      message.hold();
      return false;
    case "discard":
      tell("milter-discard", "milter triggers DISCARD action");
      message.discard();
      return false;
    case "over":
      return true;
    case "shutdown":
      tell("milter-reject", "4.7.0 Server closing connection");
      message.refuse(CLOSING);
      return true;
    case "refuse":
      tell("milter-reject", verdict.text.slice("550 ".length));
      message.refuse(classed(verdict.reply, "policy"));
      return true;
  }
}
