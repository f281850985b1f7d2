/** A version of the protocol, by the name that main.cf has for it. */
export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** From oldest to newest. */
const VERSIONS: readonly TlsVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** The versions that may be spoken: all from the lowest to the highest. */
export interface TlsVersions {
  readonly lowest: TlsVersion;
  readonly highest: TlsVersion;
}

/** A value that cannot be used, and why. */
export interface Unusable {
  readonly problem: string;
}

/** Known by name, and not to the library: they can be excluded, which changes nothing. */
const ANCIENT = ["SSLv2", "SSLv3"];

/** Numbers of the protocol, as bounds may give them. */
const NUMBERS: Readonly<Record<number, number>> = { 0x301: 0, 0x302: 1, 0x303: 2, 0x304: 3 };

const indexOf = (name: string) =>
  VERSIONS.findIndex((version) => version.toLowerCase() === name.toLowerCase());

const isAncient = (name: string) => ANCIENT.some((each) => each.toLowerCase() === name.toLowerCase());

/** What one word asks for; undefined when it is none. */
type Wish =
  | { readonly is: "floor" | "ceiling"; readonly at: number | undefined }
  | { readonly is: "include" | "exclude"; readonly at: number };

/** Where a bound lies among the versions: -1 before all, 4 behind all; undefined is no bound. */
function boundOf(text: string): number | undefined | "unknown" {
  if (text.toLowerCase() === "none") return undefined;
  if (isAncient(text)) return -1;
  const named = indexOf(text);
  if (named >= 0) return named;
  if (!/^(?:0x)?[0-9a-f]+$/i.test(text)) return "unknown";
  const number = Number.parseInt(text, 16);
  return number === 0 ? undefined : NUMBERS[number] ?? (number < 0x301 ? -1 : VERSIONS.length);
}

function wishOf(word: string): Wish | undefined {
  const bound = word.slice(0, 2);
  if (bound === ">=" || bound === "<=") {
    const at = boundOf(word.slice(2));
    return at === "unknown" ? undefined : { is: bound === ">=" ? "floor" : "ceiling", at };
  }
  const name = word.startsWith("!") ? word.slice(1) : word;
  const at = indexOf(name);
  if (at < 0 && !isAncient(name)) return undefined;
  return { is: word.startsWith("!") ? "exclude" : "include", at };
}

/**
 * Reads a list such as `!SSLv2, !SSLv3`, `>=TLSv1.2` or `TLSv1.2 TLSv1.3` (postconf(5), smtpd_tls_protocols). The library speaks one
 * range: of versions with a gap between them it takes the newest ones, so that nothing excluded is ever spoken.
 */
export function parseProtocols(text: string): TlsVersions | Unusable {
  const wishes = text.split(/[, \t\r\n:]+/).filter((word) => word !== "").map(wishOf);
  if (!wishes.every((wish) => wish !== undefined)) {
    return { problem: `Invalid TLS protocol list "${text}": disabling TLS support` };
  }
  const last = (is: Wish["is"]) => wishes.findLast((wish) => wish.is === is)?.at;
  const [floor = 0, ceiling = VERSIONS.length] = [last("floor"), last("ceiling")];
  const included = wishes.filter(({ is }) => is === "include").map(({ at }) => at);
  const excluded = new Set(wishes.filter(({ is }) => is === "exclude").map(({ at }) => at));
  const wanted = VERSIONS.map((_, at) =>
    at >= floor && at <= ceiling && !excluded.has(at) && (included.length === 0 || included.includes(at))
  );
  const top = wanted.lastIndexOf(true);
  if (top < 0) return { problem: `TLS protocol list "${text}" leaves none: disabling TLS support` };
  const bottom = wanted.lastIndexOf(false, top) + 1;
  return { lowest: VERSIONS[bottom]!, highest: VERSIONS[top]! };
}
