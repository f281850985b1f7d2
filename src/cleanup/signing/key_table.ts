import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import { inTurn } from "../../rewrite/in_turn.ts";
import { domainKeys } from "../../table/search/host_keys.ts";

/** Where a private key is: in a file, or in the table itself (PEM, or the base64 of it without its first and last line). */
export type KeySource = { readonly path: string } | { readonly text: string };

/** A key as dkim_signing_keys has it. */
export interface KeyEntry {
  /** `d=`. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  readonly source: KeySource;
}

/** The keys of a domain; none is an answer. */
export type KeyEntries =
  | { readonly is: "found"; readonly entries: readonly KeyEntry[] }
  | { readonly is: "absent" }
  | { readonly is: "trouble"; readonly why: string };

/** Signatures of a message, at most. */
const MOST_KEYS = 8;

/**
 * Asks dkim_signing_keys for a domain: the domain itself, then its parents as `.parent`, whose mail is signed in the parent's name.
 * Patterns see the whole domain only.
 */
export function findKeyEntries(maps: OpenMaps, domain: string): MaybeAsync<KeyEntries> {
  const asked = inTurn(
    domainKeys(domain, false),
    (key) =>
      then(
        (key === domain ? maps.whole : maps.partial).find(key),
        (answer) => answer.is === "absent" ? undefined : { answer, of: key.replace(/^\./, "") },
      ),
  );
  return then(asked, (found): KeyEntries => {
    if (found === undefined) return { is: "absent" };
    if (found.answer.is === "trouble") return { is: "trouble", why: found.answer.why };
    const parsed = found.answer.is === "found" ? parseKeyEntries(found.of, found.answer.value) : [];
    return typeof parsed === "string"
      ? { is: "trouble", why: `${maps.title}: entry of ${found.of}: ${parsed}` }
      : { is: "found", entries: parsed };
  });
}

const LABELS = /^(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/;
const PEM = /([^\s:,]+):\s*(-----BEGIN [A-Z ]+-----[A-Za-z0-9+/=\s]*-----END [A-Z ]+-----)/g;
/** What postmap -F makes of files. */
const ENCODED = /^[A-Za-z0-9+/\s]{64,}={0,2}\s*$/;

/** `selector:/file`, `selector:file:/file` or `selector:KEY`, several separated by blanks or commas; a text says what is wrong. */
export function parseKeyEntries(domain: string, value: string): readonly KeyEntry[] | string {
  const text = ENCODED.test(value) ? Buffer.from(value, "base64").toString("latin1") : value;
  const inline = [...text.matchAll(PEM)].map(([, selector = "", pem = ""]) => [selector, pem] as const);
  const words = text.replace(PEM, " ").split(/[\s,]+/).filter((word) => word !== "").map(split);
  const all = [...inline, ...words];
  if (all.length === 0) return "no key";
  if (all.length > MOST_KEYS) return `more than ${MOST_KEYS} keys`;
  const entries: KeyEntry[] = [];
  for (const [selector, key] of all) {
    if (!LABELS.test(selector)) return `expected selector:/path/key.pem instead of "${shown(selector, key)}"`;
    const source = sourceOf(key);
    if (source === undefined) {
      return `expected a file from / on, or a key, instead of "${shown(selector, key)}"`;
    }
    entries.push({ domain, selector: selector.toLowerCase(), source });
  }
  return entries;
}

function split(word: string): readonly [string, string] {
  const colon = word.indexOf(":");
  return colon < 0 ? ["", word] : [word.slice(0, colon), word.slice(colon + 1)];
}

function sourceOf(key: string): KeySource | undefined {
  const path = key.replace(/^file:/, "");
  if (path.startsWith("/")) return { path };
  if (key.startsWith("-----BEGIN ")) return { text: key };
  if (!/^[A-Za-z0-9+/]{40,}={0,2}$/.test(key)) return undefined;
  return { text: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` };
}

/** What may be a key is not shown, on whatever side of the colon it stands. */
function shown(selector: string, key: string): string {
  const short = (text: string) => text.length > 30 ? `${text.slice(0, 8)}...` : text;
  return `${short(selector)}${selector === "" ? "" : ":"}${short(key)}`;
}
