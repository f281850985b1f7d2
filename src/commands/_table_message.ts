import type { ToolOptions } from "./_table_options.ts";

/** Keys of a message for -b, -h and -m: header fields with their continuation lines, body lines. */
export function* messageKeys(
  message: Buffer,
  options: Pick<ToolOptions, "body" | "header" | "mime">,
): Generator<Buffer> {
  yield* [];
  void message;
  void options;
}
