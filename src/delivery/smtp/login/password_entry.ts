import { digest } from "../../../platform/crypto/digest.ts";
import { type LentSecrets, secretText } from "../../../sasl/password/secret_text.ts";

/** What a login is made with. */
export interface Login {
  readonly username: string;
  readonly secret:
    | { readonly is: "password"; readonly password: string }
    /** Tokens, got as that file says. */
    | { readonly is: "token"; readonly file: string };
  /** Tells it from every other login, and not the secret. */
  readonly identity: string;
}

/** Tokens instead of a password: how to get them is in a file. */
const TOKENS = "oauth:";

/**
 * Reads `user:password` of smtp_sasl_password_maps; a password `file:/path` is the first line of that file, `oauth:/path` stands for tokens.
 * Or why not.
 */
export function parseEntry(
  entry: string,
  delimiter: string,
  files: LentSecrets,
): Login | { readonly why: string } {
  const at = entry.indexOf(delimiter);
  const [username, password] = at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
  if (password.startsWith(`${TOKENS}/`)) {
    const file = password.slice(TOKENS.length);
    return { username, secret: { is: "token", file }, identity: identityOf(username, password) };
  }
  const secret = secretText(password, files);
  if (typeof secret !== "string") return secret;
  return { username, secret: { is: "password", password: secret }, identity: identityOf(username, secret) };
}

function identityOf(username: string, secret: string): string {
  return digest("sha256", `${username}\0${secret}`).toString("base64");
}
