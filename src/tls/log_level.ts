/** What of TLS goes to the log (postconf(5), smtpd_tls_loglevel, and Postfix's words for its parts). */
export type TlsLogPart =
  /** A line for each connection. */
  | "summary"
  /** Why a certificate is not trusted. */
  | "untrusted"
  /** Names and fingerprints of a certificate. */
  | "peercert"
  | "certmatch"
  | "verbose"
  /** Sessions that are resumed. */
  | "cache"
  | "dane";

const NONE: readonly TlsLogPart[] = [];
const DEBUG: readonly TlsLogPart[] = ["summary", "verbose", "cache"];

/** Dumps of packets and the library's own steps cannot be had: levels that ask for them say all else. */
const WORDS: Readonly<Record<string, readonly TlsLogPart[]>> = {
  "0": NONE,
  "none": NONE,
  "1": ["summary"],
  "routine": ["summary"],
  "2": DEBUG,
  "debug": DEBUG,
  ...Object.fromEntries(["3", "4", "5", "6", "7", "8", "9"].map((level) => [level, DEBUG])),
  "ssl-expert": DEBUG,
  "ssl-developer": DEBUG,
  "summary": ["summary"],
  "untrusted": ["untrusted"],
  "peercert": ["peercert"],
  "certmatch": ["certmatch"],
  "verbose": ["verbose"],
  "cache": ["cache"],
  "dane": ["dane"],
  "ssl-debug": NONE,
  "ssl-handshake-packet-dump": NONE,
  "ssl-session-packet-dump": NONE,
};

const SEPARATORS = /[, \t\r\n]+/;

function unknownWords(level: string): readonly string[] {
  return level.split(SEPARATORS).filter((word) => word !== "" && !Object.hasOwn(WORDS, word.toLowerCase()));
}

/** What Postfix warns of in a level; `parameter` is where it stands. */
export function logLevelWarnings(parameter: string, level: string): readonly string[] {
  return unknownWords(level).map((word) => `unknown ${parameter} value "${word}" in "${level}"`);
}

/** The parts that a level, or a list of words, asks for: nothing when one of the words means nothing. */
export function tlsLogParts(level: string): ReadonlySet<TlsLogPart> {
  if (unknownWords(level).length > 0) return new Set();
  const words = level.split(SEPARATORS).filter((word) => word !== "");
  return new Set(words.flatMap((word) => WORDS[word.toLowerCase()] ?? NONE));
}

/** Whether the TLSA records of a server are told of. */
export function tellsDaneRecords(parts: ReadonlySet<TlsLogPart>): boolean {
  return parts.has("verbose") || parts.has("dane");
}
