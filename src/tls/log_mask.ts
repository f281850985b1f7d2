/** What of TLS is logged (postconf(5), smtp_tls_loglevel). */
export interface LogMask {
  /** The line of each connection. */
  readonly summary: boolean;
  /** Why a certificate is not trusted, where it need not be. */
  readonly untrusted: boolean;
  /** Names and fingerprints of the other side's certificate. */
  readonly certificate: boolean;
  /** By what name a certificate was found right. */
  readonly match: boolean;
  readonly verbose: boolean;
  readonly cache: boolean;
}

type Topic = keyof LogMask;

const ROUTINE: readonly Topic[] = ["summary"];
const DEBUG: readonly Topic[] = ["summary", "verbose", "cache"];

/** What the words and numbers ask for; dumps of packets are not to be had from the library, nor its own states. */
const TOPICS: Readonly<Record<string, readonly Topic[]>> = {
  "1": ROUTINE,
  routine: ROUTINE,
  ...Object.fromEntries(["2", "3", "4", "5", "6", "7", "8", "9"].map((number) => [number, DEBUG])),
  debug: DEBUG,
  "ssl-expert": DEBUG,
  "ssl-developer": DEBUG,
  summary: ["summary"],
  untrusted: ["untrusted"],
  peercert: ["certificate"],
  certmatch: ["match"],
  verbose: ["verbose"],
  cache: ["cache"],
};

/** Reads a log level: numbers and words, in any case. */
export function logMask(level: string): LogMask {
  const topics = new Set(level.toLowerCase().split(/[, \t\r\n|]+/).flatMap((word) => TOPICS[word] ?? []));
  const of = (topic: Topic) => topics.has(topic);
  return {
    summary: of("summary"),
    untrusted: of("untrusted"),
    certificate: of("certificate") || of("verbose") || of("match"),
    match: of("match") || of("verbose") || of("certificate"),
    verbose: of("verbose"),
    cache: of("cache"),
  };
}
