import type { MaybeAsync } from "../../base/maybe_async.ts";

/**
 * SASLprep (RFC 4013): how user names and passwords beyond ASCII are written alike by all. Undefined for a text that has no such
 * form, as one with control characters. A query may hold characters that Unicode 3.2 did not know; what is stored may not.
 */
export function saslprep(text: string, form: "query" | "stored" = "query"): MaybeAsync<string | undefined> {
  return /^[\x20-\x7e]*$/.test(text) ? text : prepared(text, form);
}

/** Its tables of characters take megabytes: they are loaded when somebody first goes beyond ASCII. */
async function prepared(text: string, form: "query" | "stored"): Promise<string | undefined> {
  const { default: prepare } = await import("@mongodb-js/saslprep");
  try {
    return prepare(text, { allowUnassigned: form === "query" });
  } catch {
    return undefined;
  }
}
