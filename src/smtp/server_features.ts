import type { ServerReply } from "./reply_reader.ts";

/** What a server said that it can do (RFC 5321 §4.1.1.1, RFC 1869). */
export interface Features {
  /** The name in its answer to EHLO. */
  readonly name: string;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly size: boolean;
  /** 0 = not told. */
  readonly sizeLimit: number;
  readonly dsn: boolean;
  readonly smtputf8: boolean;
  readonly startTls: boolean;
  /** As told; it counts behind STARTTLS only (RFC 8689 §3). */
  readonly requireTls: boolean;
  /** SASL mechanisms, upper case; undefined where AUTH is not offered at all. */
  readonly auth: readonly string[] | undefined;
  /** Attributes that XFORWARD takes, upper case (XFORWARD_README). */
  readonly xforward: readonly string[];
  /** A SIZE parameter that is no number. */
  readonly badSize?: string;
}

/** A server that only knows HELO. */
export const NO_FEATURES: Features = {
  name: "",
  pipelining: false,
  eightBitMime: false,
  size: false,
  sizeLimit: 0,
  dsn: false,
  smtputf8: false,
  startTls: false,
  requireTls: false,
  auth: undefined,
  xforward: [],
};

/** Reads the reply to EHLO or LHLO. `discard` names keywords not to believe, upper case (smtp_discard_ehlo_keywords). */
export function parseFeatures(reply: ServerReply, discard: ReadonlySet<string>): Features {
  const [greeting = "", ...lines] = reply.lines.map((line) => line.slice(4).trim());
  const offers = new Map<string, readonly string[]>();
  for (const line of lines) {
    // Some servers write `AUTH=LOGIN`, after an old draft.
    const [keyword = "", ...values] = line.split(/[ \t]+|=/).map((word) => word.toUpperCase());
    if (keyword !== "" && !discard.has(keyword)) offers.set(keyword, values.filter((value) => value !== ""));
  }
  const limit = offers.get("SIZE")?.[0];
  const smtputf8 = offers.has("SMTPUTF8");
  return {
    name: greeting.split(/[ \t]/)[0]!,
    pipelining: offers.has("PIPELINING"),
    // Whoever takes UTF-8 headers takes 8-bit bodies (RFC 6531 §3.1 item 8).
    eightBitMime: offers.has("8BITMIME") || smtputf8,
    size: offers.has("SIZE"),
    sizeLimit: limit !== undefined && /^\d+$/.test(limit) ? Number(limit) : 0,
    dsn: offers.has("DSN"),
    smtputf8,
    startTls: offers.has("STARTTLS"),
    requireTls: offers.has("REQUIRETLS"),
    auth: offers.get("AUTH"),
    xforward: offers.get("XFORWARD") ?? [],
    ...(limit !== undefined && !/^\d+$/.test(limit) ? { badSize: limit } : {}),
  };
}
