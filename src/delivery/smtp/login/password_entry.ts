import { digest } from "../../../platform/crypto/digest.ts";
import { readSmallFile } from "../../../platform/file/small_files.ts";
import { systemErrorText } from "../../../platform/system_error.ts";

/** What a login is made with. */
export interface Login {
  readonly username: string;
  readonly secret: string;
  readonly secretIs: "password" | "token";
  /** Tells it from every other login, and not the secret. */
  readonly identity: string;
}

/** A password that stands in a file of its own. */
const FILE = "file:";

/** Reads `user:password` of smtp_sasl_password_maps; a password `file:/path` is the first line of that file. Or why not. */
export function parseEntry(entry: string, delimiter: string): Login | { readonly why: string } {
  const at = entry.indexOf(delimiter);
  const [username, password] = at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
  if (!password.startsWith(`${FILE}/`)) return loginOf(username, password);
  const path = password.slice(FILE.length);
  try {
    const [line = ""] = Buffer.from(readSmallFile(path)).toString("utf8").split("\n");
    return loginOf(username, line.replace(/\r$/, ""));
  } catch (error) {
    return { why: `open ${path}: ${systemErrorText(error)}` };
  }
}

function loginOf(username: string, secret: string): Login {
  const identity = digest("sha256", `${username}\0${secret}`).toString("base64");
  return { username, secret, secretIs: "password", identity };
}
