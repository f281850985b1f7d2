import { join, resolve } from "node:path";
import { keyRecordName } from "../../mailauth/dkim/published_key.ts";
import {
  generateKey,
  parseSigningKey,
  printTxt,
  publicRecord,
  type SigningKey,
} from "../../mailauth/dkim/signing_key.ts";
import { createPrivateFile } from "../../platform/file/private_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { writeOut } from "../../platform/process/this_process.ts";
import type { DkimRequest } from "./_arguments.ts";

/** Where keys go, and the time. */
interface GenkeyWorld {
  readonly directory: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** dkim_signing_keys has something already. */
  readonly hasTable: boolean;
  readonly myhostname: string;
}

/** Makes a key, and tells what is to be done with it; a text says why there is none. */
export function genkey(
  request: Extract<DkimRequest, { readonly action: "genkey" }>,
  { directory, now, hasTable, myhostname }: GenkeyWorld,
): string | undefined {
  const { domain, algorithm, bits, json } = request;
  const selector = request.selector ?? monthly(now, algorithm === "ed25519-sha256");
  const folder = resolve(request.directory ?? join(directory, "dkim"));
  const file = join(folder, `${selector}.${domain}.pem`);
  const pem = generateKey(algorithm, bits);
  const key = parseSigningKey(domain, selector, pem, bits);
  if ("fault" in key) return key.fault;
  try {
    createPrivateFile(file, pem);
  } catch (error) {
    return `${file}: ${systemErrorText(error)}`;
  }
  if (json) writeOut(`${JSON.stringify({ file, ...recordOf(key) })}\n`);
  else writeOut(advice(key, file, { hasTable, isHosts: myhostname.endsWith(`.${domain}`) }));
  return undefined;
}

/** A key that is replaced each year or so gets another name by itself. */
function monthly(now: number, isEd: boolean): string {
  return `mta${new Date(now).toISOString().slice(0, 7).replace("-", "")}${isEd ? "e" : ""}`;
}

/** What is told of a key by --json. */
export function recordOf(key: SigningKey) {
  const { domain, selector, algorithm, bits } = key;
  return { domain, selector, algorithm, bits, name: keyRecordName(key), record: publicRecord(key) };
}

/** The record as a zone file has it. */
export function zoneLine(key: SigningKey): string {
  return `${keyRecordName(key)}. IN TXT ${printTxt(publicRecord(key))}\n`;
}

/** `isHosts`: our notices come from a host of the domain. */
function advice(
  key: SigningKey,
  file: string,
  { hasTable, isHosts }: { readonly hasTable: boolean; readonly isHosts: boolean },
): string {
  const { domain, selector, algorithm, bits } = key;
  const kind = algorithm === "rsa-sha256" ? `RSA, ${bits} bits` : "Ed25519";
  const names = isHosts ? [domain, `.${domain}`] : [domain];
  const entries = names.map((name) => `${name} ${selector}:${file}\n`).join("");
  const inline = names.map((name) => `{ ${name} = ${selector}:${file} }`).join("\n  ");
  const where = hasTable
    ? `add to the table of dkim_signing_keys (keys of one domain in one entry, with a comma):\n\n${entries}`
    : `write into main.cf:\n\ndkim_signing_keys = inline:{\n  ${inline} }\n`;
  return `A key for ${domain} (${kind}) is in ${file}\n\n` +
    `1. Publish:\n\n${zoneLine(key)}\n` +
    `2. When it can be seen, ${where}\n` +
    `3. Look whether all is well: mta dkim check ${domain}; then: mta reload\n`;
}
