/** A local part and its address extension. */
export interface SplitLocal {
  readonly base: string;
  /** Undefined when there is no extension. */
  readonly extension: string | undefined;
  /** The delimiter that was found. */
  readonly delimiter: string;
}

const whole = (local: string): SplitLocal => ({ base: local, extension: undefined, delimiter: "" });

/**
 * Splits `user+ext` at the first character that is one of `recipient_delimiter` (postconf(5)). Never split: the mailer
 * daemon, double-bounce, and with `-` among the delimiters `owner-list` and `list-request` (owner_request_special).
 */
export function splitExtension(local: string, delimiters: string, ownerRequestSpecial = true): SplitLocal {
  if (delimiters === "" || local === "") return whole(local);
  const lower = local.toLowerCase();
  if (lower === "mailer-daemon" || lower === "double-bounce") return whole(local);
  if (ownerRequestSpecial && delimiters.includes("-")) {
    if (lower.startsWith("owner-") || lower.endsWith("-request")) return whole(local);
  }
  for (let at = 1; at < local.length; at++) {
    if (delimiters.includes(local[at]!)) {
      return { base: local.slice(0, at), extension: local.slice(at + 1), delimiter: local[at]! };
    }
  }
  return whole(local);
}
