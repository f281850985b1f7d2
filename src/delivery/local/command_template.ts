import { expand } from "../../config/syntax/expand.ts";

/** Values of the names in luser_relay, forward_path and command_execution_directory (local(8)). */
export interface TemplateValues {
  readonly user: string;
  readonly local: string;
  readonly domain: string;
  readonly recipient: string;
  readonly extension: string | undefined;
  /** The delimiter that was found, or the first configured one. */
  readonly recipient_delimiter: string | undefined;
  readonly home?: string;
  readonly shell?: string;
}

const censored = (value: string, allowed: string | undefined) =>
  allowed === undefined ? value : Array.from(value, (char) => allowed.includes(char) ? char : "_").join("");

/** Stands for a dollar sign that a value has: what a sender writes is never expanded in its turn. */
const DOLLAR = "\u0000";

/**
 * Fills in a template with the recipient's values, each with only the characters that the filter allows; undefined when the
 * template itself is malformed.
 */
export function fillTemplate(template: string, values: TemplateValues, filter?: string): string | undefined {
  const named: Readonly<Record<string, string | undefined>> = { ...values };
  const expansion = expand(template, (name) => {
    const value = named[name];
    return value === undefined || value === "" ? undefined : censored(value, filter).replaceAll("$", DOLLAR);
  });
  return expansion.is === "text" ? expansion.text.replaceAll(DOLLAR, "$") : undefined;
}
