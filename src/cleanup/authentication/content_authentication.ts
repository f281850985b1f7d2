import type { ArcResult } from "../../mailauth/arc/arc_result.ts";

/** What was found out about a message, as it goes into its header. */
export interface OurResults {
  /** The value of Authentication-Results in wire form, folded, one character a byte. */
  readonly value: string;
  /** The chain that it came with. */
  readonly arc: ArcResult;
}

/** Content that is checked while it comes in. */
export interface ContentAuthentication {
  /** Fields that come with the content under this name are forged (RFC 8601 §5). */
  readonly authservId: string;
  /** Undefined while the content is not all here, or was not checked. */
  readonly results: OurResults | undefined;
}
