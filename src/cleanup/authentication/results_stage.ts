import type { MaybeAsync } from "../../base/maybe_async.ts";
import { resultsField } from "../../mailauth/results/results_field.ts";
import type { MessageDraft } from "../message_draft.ts";
import type { Stage } from "../stage.ts";
import type { ContentAuthentication } from "./content_authentication.ts";
import type { MessageSealing } from "./message_sealing.ts";

/** Puts the results on top when all others are done with the message (RFC 8601 §4.1), and the ARC set on top of them. */
export class ResultsStage implements Stage {
  readonly #authentication: ContentAuthentication;
  readonly #message: MessageDraft;
  readonly #sealing: MessageSealing | undefined;

  constructor(
    authentication: ContentAuthentication,
    message: MessageDraft,
    sealing: MessageSealing | undefined,
  ) {
    this.#authentication = authentication;
    this.#message = message;
    this.#sealing = sealing;
  }

  end(): MaybeAsync<void> {
    const { results } = this.#authentication;
    if (results === undefined || this.#message.isOver) return;
    this.#message.insertField(0, resultsField(results.value));
    return this.#sealing?.seal(results);
  }
}
