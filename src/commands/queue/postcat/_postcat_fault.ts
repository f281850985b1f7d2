import type { LightConfiguration } from "../../../config/read_settings.ts";
import type { PostcatView } from "./_postcat_text.ts";
import type { StreamOut } from "../stream_out.ts";

/** Ends postcat: `postcat: fatal: TEXT`. */
export class PostcatFault extends Error {
  override readonly name = "PostcatFault";
}

/** What postcat works with. */
export interface PostcatWork {
  readonly program: string;
  readonly configuration: LightConfiguration;
  readonly view: PostcatView;
  readonly out: StreamOut;
  /** Where in a file to begin. */
  readonly from: number;
}
