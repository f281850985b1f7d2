import prepare from "@mongodb-js/saslprep";

/**
 * SASLprep (RFC 4013): how user names and passwords beyond ASCII are written alike by all. Undefined for a text that has no such
 * form, as one with control characters. A query may hold characters that Unicode 3.2 did not know; what is stored may not.
 */
export function saslprep(text: string, form: "query" | "stored" = "query"): string | undefined {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  try {
    return prepare(text, { allowUnassigned: form === "query" });
  } catch {
    return undefined;
  }
}
