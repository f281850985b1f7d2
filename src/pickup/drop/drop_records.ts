import { count, flag, integer, Misfit, oneOf, optional, record, type Shape, text } from "../../base/shape.ts";

/**
 * A drop is a file: `MAGIC`, then records: a letter for the kind, the length as 32 bits, big end first, and so many bytes. First the
 * envelope, then recipients and pieces of content in any order, last the end, and nothing behind it. Envelope, recipients and end are
 * JSON, whose unknown fields are passed over: what an older reader must not pass over asks for a new version in `MAGIC`.
 */
export const MAGIC: Buffer = Buffer.from("mta drop 1\n");

export const KIND = { envelope: 0x45, recipient: 0x52, content: 0x43, end: 0x5a } as const;
export type KindName = keyof typeof KIND;

/** Letter and length. */
export const HEAD_LENGTH = 5;

/** Bytes in a record of each kind, at most. */
export const LONGEST: { readonly [Name in KindName]: number } = {
  envelope: 32_768,
  recipient: 16_384,
  content: 65_536,
  end: 1024,
};

/**
 * Content may be in so many pieces, however small, and in so many more as it has times so many bytes: each costs the reader about as much
 * as some kilobytes do, and others' mail waits meanwhile.
 */
export const [SMALL_PIECES, PIECE] = [10_000, 4096] as const;

/** What pickup holds in memory of a message at a time. */
export const MOST_RECIPIENTS = 100_000;

/** What is said of a message before its content. Addresses are in internal form. */
export interface DropEnvelope {
  /** Milliseconds since 1970 by the clock of who submitted. */
  readonly time: number;
  /** `sendmail -f`; "" is the null sender. Left out: the owner of the file. */
  readonly sender?: string;
  /** For a missing From: (`-F`, $NAME, or what the system knows of the user). */
  readonly fullName?: string;
  /** `-R` and `-V` (RFC 3461). */
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  /** `-B`. */
  readonly body?: "7BIT" | "8BITMIME";
  readonly smtputf8?: boolean;
  /** `-O REQUIRETLS=yes` (RFC 8689). */
  readonly requireTls?: boolean;
  /** `-G`: mail of somebody else, whose header is not completed. */
  readonly relayed?: boolean;
  /** `-XV`: a sender of its own for each recipient, made with these two delimiters. */
  readonly verp?: string;
  /** `-bv`: nothing is delivered, and the sender gets a report of what would be. */
  readonly verifyOnly?: boolean;
  /** `-v`: the sender gets a report of each delivery. */
  readonly reportDelivery?: boolean;
}

export interface DropRecipient {
  readonly address: string;
  /** `-N`, as bits of `NOTIFY`. */
  readonly notify?: number;
  readonly orcpt?: string;
}

/** What the reader holds everything before against. */
export interface DropEnd {
  readonly recipients: number;
  /** Bytes of content. */
  readonly size: number;
  /** CRC-32 of the content. */
  readonly crc: number;
}

/** Text that cannot be two lines anywhere: nobody adds a record, command or field to what he says. */
function line(most: number): Shape<string> {
  const short = text(most);
  return (value) => {
    const given = short(value);
    return typeof given === "string" && /[\0\r\n]/.test(given) ? new Misfit("one line") : given;
  };
}

const ADDRESS = line(4096);
/** Characters of a full name. */
export const LONGEST_NAME = 1024;

export const dropEnvelope: Shape<DropEnvelope> = record<DropEnvelope>({
  time: count,
  sender: optional(ADDRESS),
  fullName: optional(line(LONGEST_NAME)),
  ret: optional(oneOf("FULL", "HDRS")),
  envid: optional(line(1024)),
  body: optional(oneOf("7BIT", "8BITMIME")),
  smtputf8: optional(flag),
  requireTls: optional(flag),
  relayed: optional(flag),
  verp: optional(line(16)),
  verifyOnly: optional(flag),
  reportDelivery: optional(flag),
});

export const dropRecipient: Shape<DropRecipient> = record<DropRecipient>({
  address: ADDRESS,
  notify: optional(integer(0, 15)),
  orcpt: optional(line(1024)),
});

export const dropEnd: Shape<DropEnd> = record<DropEnd>({
  recipients: integer(0, MOST_RECIPIENTS),
  size: count,
  crc: integer(0, 0xffff_ffff),
});

/** A record's head: letter and length. */
export function printHead(kind: KindName, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_LENGTH);
  head[0] = KIND[kind];
  head.writeUInt32BE(length, 1);
  return head;
}

/** A whole record of what is JSON. */
export function printRecord(kind: Exclude<KindName, "content">, value: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(value));
  if (bytes.length > LONGEST[kind]) throw new RangeError(`${kind} of more than ${LONGEST[kind]} bytes`);
  return Buffer.concat([printHead(kind, bytes.length), bytes]);
}
