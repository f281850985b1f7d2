import type { Context } from "./context.ts";
import type { Input } from "./input.ts";

/** The next line, cut where it is over the limit, which the log is told; undefined while none is complete. */
export function takeLine({ deps, clientText }: Context, input: Input, limit: number): Buffer | undefined {
  const { line, tooLong } = input.takeLine(limit);
  if (tooLong !== undefined) {
    const start = tooLong.toString("latin1", 0, 30);
    deps.log.emit("smtpd", "longRequest", { client: clientText, limit, start });
  }
  return line;
}
