import { withoutOuterSpace } from "../tags/tag_list.ts";

/** What a domain asks to be done with mail that fails (RFC 9989 §4.7). */
export type DmarcPolicy = "none" | "quarantine" | "reject";

/** A DMARC record, with the defaults for what it does not say (RFC 9989 §4.7). */
export interface DmarcRecord {
  readonly p: DmarcPolicy;
  /** For subdomains; `p` where the record has none. */
  readonly sp: DmarcPolicy;
  /** For subdomains that do not exist; `sp` where the record has none. */
  readonly np: DmarcPolicy;
  /** Alignment: relaxed or strict. */
  readonly adkim: "r" | "s";
  readonly aspf: "r" | "s";
  /** Whether the domain is a public suffix; `u` where it does not say. */
  readonly psd: "y" | "n" | "u";
  /** Testing: policies count as one step milder. */
  readonly t: "y" | "n";
  /** Percentage of failing mail that the policy is for (RFC 7489 §6.3): history, but 0 still means testing. */
  readonly pct: number;
  /** Where reports go: URIs, without the size that older records may put behind them (`!10m`). */
  readonly rua: readonly string[];
  readonly ruf: readonly string[];
  /** When failures are to be reported (`0`, `1`, `d`, `s`, with colons between). */
  readonly fo: string;
  /** The record as published. */
  readonly text: string;
}

/** What a TXT record is: a policy, something else, or one that means to be a policy and says none that can be followed. */
export type ReadRecord =
  | { readonly is: "record"; readonly record: DmarcRecord }
  | { readonly is: "other" }
  | { readonly is: "fault"; readonly why: string };

/** Longer ones are nobody's policy. */
const MOST = 8192;
const URIS = 50;

const VERSION = /^[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;
const NAME = /^[A-Za-z]+$/;
const VALUE = /^[\x20-\x7e]*$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s,!]+$/;
const FO = /^[01ds](?::[01ds]){0,3}$/;

/** The tags behind the version; of one that comes again the first counts, what is none is passed over. */
function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const piece of text.slice(text.indexOf(";") + 1).split(";")) {
    const equals = piece.indexOf("=");
    const name = withoutOuterSpace(piece.slice(0, Math.max(equals, 0))).toLowerCase();
    const value = withoutOuterSpace(piece.slice(equals + 1));
    if (NAME.test(name) && VALUE.test(value) && !tags.has(name)) tags.set(name, value);
  }
  return tags;
}

function urisOf(value: string | undefined): string[] {
  const uris = (value ?? "").split(",", URIS).map((uri) => uri.trim().replace(/!\d+[kmgt]?$/i, ""));
  return uris.filter((uri) => URI.test(uri));
}

/** A value that is one of the words, in any case. */
function word<Word extends string>(value: string | undefined, words: readonly Word[]): Word | undefined {
  const folded = value?.toLowerCase();
  return words.find((each) => each === folded);
}

const POLICIES = ["none", "quarantine", "reject"] as const;

/** Reads a TXT record (RFC 9989 §4.8). Unknown tags and values that are none count as absent, but for policies (§4.10.1). */
export function parseDmarcRecord(text: string): ReadRecord {
  if (text.length > MOST || !VERSION.test(text)) return { is: "other" };
  const tags = text.includes(";") ? tagsOf(text) : new Map<string, string>();
  const rua = urisOf(tags.get("rua"));
  const wrong = ["p", "sp", "np"].find((name) =>
    tags.has(name) && word(tags.get(name), POLICIES) === undefined
  );
  if (wrong !== undefined && rua.length === 0) {
    return { is: "fault", why: `${wrong}= is no policy` };
  }
  const policy = (name: string, fallback: DmarcPolicy) =>
    wrong === undefined ? word(tags.get(name), POLICIES) ?? fallback : "none";
  const p = policy("p", "none");
  const sp = policy("sp", p);
  const pct = tags.get("pct") ?? "";
  const fo = tags.get("fo") ?? "";
  const record: DmarcRecord = {
    p,
    sp,
    np: policy("np", sp),
    adkim: word(tags.get("adkim"), ["r", "s"]) ?? "r",
    aspf: word(tags.get("aspf"), ["r", "s"]) ?? "r",
    psd: word(tags.get("psd"), ["y", "n", "u"]) ?? "u",
    t: word(tags.get("t"), ["y", "n"]) ?? "n",
    pct: /^\d{1,3}$/.test(pct) && Number(pct) <= 100 ? Number(pct) : 100,
    rua,
    ruf: urisOf(tags.get("ruf")),
    fo: FO.test(fo) ? fo : "0",
    text,
  };
  return { is: "record", record };
}

const MILDER: Readonly<Record<DmarcPolicy, DmarcPolicy>> = {
  none: "none",
  quarantine: "none",
  reject: "quarantine",
};

/** What a policy of a record comes to: testing takes a step off it (RFC 9989 §4.7, `t`; `pct=0` was the same, appendix A.6). */
export function effectivePolicy({ t, pct }: DmarcRecord, policy: DmarcPolicy): DmarcPolicy {
  return t === "y" || pct === 0 ? MILDER[policy] : policy;
}
