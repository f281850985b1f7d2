import os from "node:os";
import { errnoText } from "./libc.ts";

/** What a name look-up of the system says (getaddrinfo(3)); it has no errno. */
const LOOKUP_TEXTS: { readonly [code: string]: string } = {
  EAI_AGAIN: "Temporary failure in name resolution",
  ENOTFOUND: "Name or service not known",
};

const MOST_ERRNO = 4095;

/** The errno of an error; undefined when it is no system call's. */
function errnoOf(error: Error): number | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  const named: { readonly [code: string]: number | undefined } = os.constants.errno;
  if (code !== undefined && named[code] !== undefined) return named[code];
  const number = Math.abs(errno ?? 0);
  return number > 0 && number <= MOST_ERRNO ? number : undefined;
}

/**
 * The C library's words for what went wrong, as `%m` prints them in Postfix's texts; whatever is no system error speaks for itself.
 * Every place that tells of a system error uses this: the runtime's own words name no cause that an operator could look up.
 */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const number = errnoOf(error);
  if (number !== undefined) return errnoText(number);
  return LOOKUP_TEXTS[errorCode(error)] ?? error.message;
}

/** Code of a system error (`ENOENT`), "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
