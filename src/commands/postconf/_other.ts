import { TABLE_TYPES } from "../../table/table_types.ts";
import { tlsLibrary } from "../../platform/socket/tls_library.ts";
import { fatal } from "./_fault.ts";
import type { PostconfOptions } from "./_options.ts";
import type { Output } from "./_show.ts";

/** Server and client authentication: the protocols of smtpd_sasl_type and smtp_sasl_type (SASL_README). */
const SERVER_SASL = ["cyrus", "dovecot"];
const CLIENT_SASL = ["cyrus"];
/** mailbox_delivery_lock. */
const LOCKS = ["flock", "fcntl", "dotlock"];
/** Kinds of keys that a certificate may hold. */
const KEYS = ["ecdsa", "ed25519", "rsa"];

function showTls(what: string, output: Output): number {
  if (what === "compile-version" || what === "run-version") output.write(`${tlsLibrary()}\n`);
  else if (what === "public-key-algorithms") output.write(KEYS.map((key) => `${key}\n`).join(""));
  else {
    output.warn(`unknown 'postconf -T' mode: ${what}`);
    return 1;
  }
  return 0;
}

/** Lists what is built in: table types, locks, SASL types, TLS, bounce templates (postconf(1)). */
export async function showOther(
  options: PostconfOptions,
  directory: string,
  output: Output,
): Promise<number> {
  const lines = (words: readonly string[]) => output.write(words.map((word) => `${word}\n`).join(""));
  const has = (letter: string) => options.given.has(letter);
  if (has("m")) lines(Object.keys(TABLE_TYPES).sort());
  else if (has("l")) lines(LOCKS);
  else if (has("a")) lines(SERVER_SASL);
  else if (has("A")) lines(CLIENT_SASL);
  else if (has("T")) return showTls(options.tls ?? "", output);
  else {
    if (options.names.length > 1) fatal("options -b and -t require at most one template file");
    const { showTemplates } = await import("./_templates.ts");
    return showTemplates({ expand: has("b"), file: options.names[0], directory }, output);
  }
  return 0;
}
