import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { SigningKey } from "../dkim/signing_key.ts";
import type { ArcResult } from "./arc_result.ts";

/** How a message is sealed. */
export interface SealingOptions {
  /** What was found of the chain that the message came with. */
  readonly arc: ArcResult;
  /** The value of an Authentication-Results field of ours: authserv-id and results. May be folded. */
  readonly authenticationResults: string;
  /** Names of fields that the message signature covers, in lower case. */
  readonly signed: readonly string[];
  readonly oversigned?: readonly string[];
  /** Milliseconds: `t=`. */
  readonly now: number;
}

/**
 * The three fields of a new ARC set (RFC 8617 §5.1) with their CR LFs, to be put at the top in this order; undefined where no set may be added: the chain has 50, failed
 * when it was sealed before, or could not be looked at. `fields` as in `signContent`; `bodyHash` is relaxed.
 */
export function sealContent(
  _fields: readonly string[],
  _bodyHash: Uint8Array,
  _key: SigningKey,
  _options: SealingOptions,
): MaybeAsync<readonly string[] | undefined> {
  throw new Error("not yet");
}
