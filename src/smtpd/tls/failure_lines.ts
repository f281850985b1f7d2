import { SniFault } from "./sni_contexts.ts";

type Line = readonly [level: "info" | "warning", text: string];

const codeOf = (error: unknown) => error instanceof Error && "code" in error ? error.code : undefined;

/** `error:100000b8:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER`, whose reason OpenSSL writes as `no shared cipher`. */
function inOpenSslWords(text: string): string {
  return text.replace(
    /^(error:\w+:[^:]*:)OPENSSL_internal:([A-Z0-9_]+)$/,
    (_, before: string, reason: string) => `${before}:${reason.toLowerCase().replaceAll("_", " ")}:`,
  );
}

/** The lines about a handshake that failed; Postfix's, with the words of our library. */
export function failureLines(error: unknown, client: string): readonly Line[] {
  const accept = `SSL_accept error from ${client}`;
  const code = codeOf(error);
  if (code === "ETIMEDOUT") return [["info", `${accept}: Connection timed out`]];
  if (error instanceof SniFault) return [["info", `${accept}: -1`]];
  const why = error instanceof Error ? error.message : String(error);
  if (typeof code === "string" && code.startsWith("ERR_")) {
    return [["info", `${accept}: -1`], ["warning", `TLS library problem: ${inOpenSslWords(why)}`]];
  }
  return [["info", `${accept}: lost connection`]];
}
