import { claimsToBeOurs } from "../../mailauth/results/own_results.ts";
import { type Changed, type HeaderField, type Stage, UNCHANGED } from "../stage.ts";

const GONE: Changed = { text: "" };

/** Takes out what pretends to be an Authentication-Results of ours (RFC 8601 §5). */
export class ForgedResults implements Stage {
  readonly #authservId: string;
  /** Fields to come that were put on top here. */
  #ours: number;

  constructor(authservId: string, prepended: readonly string[]) {
    this.#authservId = authservId;
    this.#ours = prepended.length;
  }

  field({ place, text }: HeaderField): Changed {
    if (place !== "primary") return UNCHANGED;
    if (this.#ours-- > 0) return UNCHANGED;
    return claimsToBeOurs(text, this.#authservId) ? GONE : UNCHANGED;
  }
}
