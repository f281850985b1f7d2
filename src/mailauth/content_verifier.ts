import type { Resolver } from "../dns/resolver.ts";
import type { ArcResult } from "./arc/arc_result.ts";
import type { DkimResult } from "./dkim/dkim_result.ts";

/** What verifying asks of the world. */
export interface VerifierWorld {
  readonly resolver: Pick<Resolver, "txt">;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** What a message's own signatures say. */
export interface ContentResult {
  /** One for each signature that was looked at, from the top; empty where there is none. */
  readonly dkim: readonly DkimResult[];
  /** Signatures beyond the limit, which were not looked at. */
  readonly ignored: number;
  readonly arc: ArcResult;
}

/** Verifies the DKIM signatures and the ARC chain of a message as it comes by: the header, then the body, then the end. Holds no body. */
export class ContentVerifier {
  constructor(_world: VerifierWorld) {}

  /** The whole header: fields in wire form, one character a byte, each ending in CR LF, from the top. Lookups of keys begin here. */
  header(_fields: readonly string[]): void {}

  /** The next bytes of body, behind the empty line. */
  body(_bytes: Uint8Array): void {}

  end(): Promise<ContentResult> {
    throw new Error("not yet");
  }
}
