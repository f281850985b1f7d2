import { RecentMap } from "../../base/recent_map.ts";
import { parseSigningKey, type SigningKey } from "../../mailauth/dkim/signing_key.ts";
import { digest } from "../../platform/crypto/digest.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import { FreshFiles } from "../../tls/fresh_files.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { KeyEntry } from "./key_table.ts";

/** A key, or why there is none; `denied` where it is for others to read. */
export type KeyAnswer = { readonly key: SigningKey } | { readonly fault: string; readonly denied?: boolean };

/** The keys that a message is signed with, at least one; or why there are none. */
export type KeysAnswer = { readonly keys: readonly SigningKey[] } | { readonly fault: string };

/** What a domain was signed with last, and what was said of going on with it. */
interface LastKeys {
  keys: readonly SigningKey[];
  told: string | undefined;
}

/** Keys kept at least. */
const KEPT = 1000;

interface Known {
  readonly files: FreshFiles | undefined;
  key: SigningKey | undefined;
  fault: string | undefined;
}

/**
 * The private keys that mail is signed with. A file is read once, and again when it is another one; where that is no good the key that
 * was read before stays in force, and `warn` hears of it.
 */
export class SigningKeys {
  readonly #files: Pick<TlsFiles, "read" | "stampOf" | "now">;
  readonly #warn: (text: string) => void;
  readonly #known = new RecentMap<string, Known>(KEPT);
  /** By domain. */
  readonly #last = new RecentMap<string, LastKeys>(KEPT);

  constructor(files: Pick<TlsFiles, "read" | "stampOf" | "now">, warn: (text: string) => void) {
    this.#files = files;
    this.#warn = warn;
  }

  /**
   * Those of a domain that can be had. Where none can, the domain is signed with what it was signed with before: a new entry may name
   * a file that is not there yet, or not lent yet.
   */
  all(domain: string, entries: readonly KeyEntry[]): KeysAnswer {
    const answers = entries.map((entry) => this.get(entry));
    const keys = answers.flatMap((answer) => "key" in answer ? [answer.key] : []);
    const last = this.#last.get(domain);
    if (keys.length > 0) {
      if (last === undefined) this.#last.set(domain, { keys, told: undefined });
      else [last.keys, last.told] = [keys, undefined];
      return { keys };
    }
    const fault = answers.flatMap((answer) => "fault" in answer ? [answer.fault] : []).join("; ");
    if (last === undefined) return { fault };
    const names = last.keys.map(({ selector }) => `s=${selector}`).join(", ");
    if (last.told !== fault) this.#warn(`${fault}; d=${domain} is signed with ${names} meanwhile, as before`);
    last.told = fault;
    return { keys: last.keys };
  }

  /** The key of an entry. */
  get(entry: KeyEntry): KeyAnswer {
    const name = nameOf(entry);
    let known = this.#known.get(name);
    if (known === undefined) {
      const { source } = entry;
      const files = "path" in source ? new FreshFiles([source.path], this.#files) : undefined;
      known = { files, key: undefined, fault: undefined };
      this.#known.set(name, known);
      this.#read(entry, known);
    } else if (known.files?.haveChanged()) this.#read(entry, known);
    return known.key === undefined ? { fault: known.fault ?? "no key" } : { key: known.key };
  }

  #read(entry: KeyEntry, known: Known): void {
    known.files?.reading();
    const read = parsed(entry, () => textOf(entry, this.#files));
    if ("key" in read) {
      known.key = read.key;
      known.fault = undefined;
      return;
    }
    known.files?.again();
    if (known.fault === read.fault) return;
    known.fault = read.fault;
    const stays = known.key === undefined ? "" : "; the key that was read before stays in force";
    this.#warn(`${read.fault}${stays}`);
  }
}

function nameOf({ domain, selector, source }: KeyEntry): string {
  const from = "path" in source ? source.path : digest("sha256", source.text).toString("base64");
  return `${selector} ${domain} ${from}`;
}

function textOf({ source }: KeyEntry, files: Pick<TlsFiles, "read">): string {
  return "path" in source ? files.read(source.path) : source.text;
}

/** The key of an entry, or why it is none, in words for the operator. */
export function parsed({ domain, selector, source }: KeyEntry, read: () => string): KeyAnswer {
  const what = `DKIM key s=${selector} d=${domain}`;
  const where = "path" in source ? `${source.path}: ` : "";
  let text: string;
  try {
    text = read();
  } catch (error) {
    const denied = errorCode(error) === "EACCES";
    return { fault: `${what}: ${where}${systemErrorText(error)}`, denied };
  }
  const key = parseSigningKey(domain, selector, text, LEAST_BITS);
  return "fault" in key ? { fault: `${what}: ${where}${key.fault}` } : { key };
}

/** RFC 8301 §3.2: signers must not use less. */
const LEAST_BITS = 1024;
