import { digest } from "../../../platform/crypto/digest.ts";
import { secretText } from "../../../sasl/password/secret_text.ts";

/** What a login is made with. */
export interface Login {
  readonly username: string;
  readonly secret: string;
  readonly secretIs: "password" | "token";
  /** Tells it from every other login, and not the secret. */
  readonly identity: string;
}

/** Reads `user:password` of smtp_sasl_password_maps; a password `file:/path` is the first line of that file. Or why not. */
export function parseEntry(entry: string, delimiter: string): Login | { readonly why: string } {
  const at = entry.indexOf(delimiter);
  const [username, password] = at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
  const secret = secretText(password);
  return typeof secret === "string" ? loginOf(username, secret) : secret;
}

function loginOf(username: string, secret: string): Login {
  const identity = digest("sha256", `${username}\0${secret}`).toString("base64");
  return { username, secret, secretIs: "password", identity };
}
