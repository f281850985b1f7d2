import type { Context } from "./context.ts";
import type { Input } from "./input.ts";
import { withoutSecrets } from "./policy/secrets.ts";

/**
 * The next line, cut where it is over the limit, which the log is told with how it begins, unless it is secret; undefined while none
 * is complete.
 */
export function takeLine(
  { deps, clientText }: Context,
  input: Input,
  limit: number,
  secret = false,
): Buffer | undefined {
  const { line, tooLong } = input.takeLine(limit);
  if (tooLong !== undefined) {
    const start = secret ? "" : withoutSecrets(tooLong.toString("latin1", 0, 30)).replace(/ ?\.\.\.$/, " ");
    deps.log.emit("smtpd", "longRequest", { client: clientText, limit, start });
  }
  return line;
}
