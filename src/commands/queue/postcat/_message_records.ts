import type { EnvelopeHead, RecipientWithState } from "../../../queue/queue_shapes.ts";
import type { Origin } from "../../../queue/envelope.ts";
import { type QueueFileRecord, RECORD_TYPE } from "./_record_types.ts";

/** What is known of a message before its recipients and content are read. */
export interface MessageFacts {
  readonly envelope: EnvelopeHead;
  readonly size: number;
  readonly recipients: number;
}

/** Longest text record (line_length_limit); longer lines take several. */
const LONGEST = 2048;
const SIZE_FIELDS = 6;
const LF = 0x0a;

/**
 * The records that a message of ours would have in a queue file of Postfix's, one after another and each where it would be. What the
 * store does not keep is not there: rewrite_context, the server's own address, the client's unverified name.
 */
export class MessageRecords {
  readonly #take: (record: QueueFileRecord) => boolean;
  #offset = 0;
  #line: Buffer = Buffer.alloc(0);
  #wanted = true;
  #eightBit = false;

  /** `take` answers whether it wants more. */
  constructor(take: (record: QueueFileRecord) => boolean) {
    this.#take = take;
  }

  /** Whether more is wanted. */
  get wanted(): boolean {
    return this.#wanted;
  }

  envelope({ envelope, size, recipients }: MessageFacts): void {
    const { arrival, created, contentFilter, sender, verp } = envelope;
    const lines = headLines(envelope);
    this.#eightBit = envelope.eightBit === true;
    const seconds = (time: number) => String(Math.floor(time / 1000));
    const micros = Math.floor(arrival % 1000 * 1000);
    const fields = [size, 0, recipients, 0, size, envelope.smtputf8 === true ? 1 : 0];
    this.#put(
      RECORD_TYPE.size,
      fields.slice(0, SIZE_FIELDS).map((each) => String(each).padStart(15)).join(" "),
    );
    this.#put(RECORD_TYPE.time, `${seconds(arrival)} ${micros}`);
    this.#attribute("create_time", seconds(created ?? arrival));
    for (const [name, value] of lines.before) this.#attribute(name, value);
    if (contentFilter !== undefined) this.#put(RECORD_TYPE.contentFilter, contentFilter);
    if (verp !== undefined) this.#put(0x56, verp);
    this.#put(RECORD_TYPE.sender, sender);
    for (const [name, value] of lines.after) this.#attribute(name, value);
  }

  recipient({ recipient, state }: RecipientWithState): void {
    const { notify, orcpt, original, address } = recipient;
    if (notify !== 0) this.#attribute("notify_flags", String(notify));
    if (orcpt !== undefined) this.#attribute("dsn_orig_rcpt", orcpt);
    this.#put(RECORD_TYPE.originalRecipient, original);
    this.#put(state.is === "pending" ? RECORD_TYPE.recipient : RECORD_TYPE.doneRecipient, address);
  }

  beginContent(): void {
    this.#put(RECORD_TYPE.content, "");
  }

  /** Some of the content, wherever it was cut. */
  content(bytes: Buffer): void {
    let rest = this.#line.length === 0 ? bytes : Buffer.concat([this.#line, bytes]);
    for (let end = rest.indexOf(LF); end >= 0 && this.#wanted; end = rest.indexOf(LF)) {
      const line = rest.subarray(0, end > 0 && rest[end - 1] === 0x0d ? end - 1 : end);
      this.#put(RECORD_TYPE.line, this.#lastPiece(line));
      rest = rest.subarray(end + 1);
    }
    // One byte stays: it may be the CR of the line's end.
    this.#line = rest.length > LONGEST ? this.#lastPiece(rest, 1) : rest;
  }

  end(): void {
    if (this.#line.length > 0) this.#put(RECORD_TYPE.line, this.#lastPiece(this.#line));
    this.#put(RECORD_TYPE.extracted, "");
    if (this.#eightBit) this.#attribute("encoding", "8bit");
    this.#put(RECORD_TYPE.end, "");
  }

  /** Puts the full pieces of a long line; what is left of it. */
  #lastPiece(line: Buffer, spare = 0): Buffer {
    let rest = line;
    for (; rest.length - spare > LONGEST; rest = rest.subarray(LONGEST)) {
      this.#put(RECORD_TYPE.piece, rest.subarray(0, LONGEST));
    }
    return rest;
  }

  #attribute(name: string, value: string): void {
    this.#put(RECORD_TYPE.attribute, `${name}=${value}`);
  }

  #put(type: number, text: string | Buffer): void {
    if (!this.#wanted) return;
    const data = typeof text === "string" ? Buffer.from(text) : text;
    this.#wanted = this.#take({ offset: this.#offset, type, data });
    this.#offset += 1 + lengthBytes(data.length) + data.length;
  }
}

function lengthBytes(length: number): number {
  let bytes = 1;
  for (let left = length >>> 7; left > 0; left >>>= 7) bytes++;
  return bytes;
}

type Attribute = readonly [name: string, value: string];

/** The named attributes on both sides of the sender, in Postfix's order. */
function headLines(envelope: EnvelopeHead): { readonly before: Attribute[]; readonly after: Attribute[] } {
  const { id, origin, envid, ret } = envelope;
  return {
    before: given([
      ["log_ident", origin.ident ?? id],
      ["sasl_method", origin.saslMethod],
      ["sasl_username", origin.saslUsername],
      ["sasl_sender", origin.saslSender],
      ["envelope_id", envid],
      ["ret_flags", ret === undefined ? undefined : ret === "FULL" ? "1" : "2"],
    ]),
    after: given([
      ...logLines(origin),
      ...clientLines(origin),
      ...ownLines(envelope),
    ]),
  };
}

type Perhaps = readonly [name: string, value: string | undefined];

function given(lines: readonly Perhaps[]): Attribute[] {
  return lines.flatMap(([name, value]) => value === undefined ? [] : [[name, value] as const]);
}

function logLines(
  { clientName, clientAddress, clientPort, helo, protocol, uid }: Origin,
): readonly Perhaps[] {
  const from = clientAddress === undefined ? undefined : `${clientName ?? "unknown"}[${clientAddress}]`;
  return [
    ["log_client_name", clientName],
    ["log_client_address", clientAddress],
    ["log_client_port", clientPort?.toString()],
    ["log_message_origin", from ?? (uid === undefined ? undefined : "local")],
    ["log_helo_name", helo],
    ["log_protocol_name", protocol],
  ];
}

function clientLines({ clientName, clientAddress, clientPort, helo, protocol }: Origin): readonly Perhaps[] {
  return [
    ["client_name", clientName],
    ["client_address", clientAddress],
    ["client_port", clientPort?.toString()],
    ["helo_name", helo],
    ["protocol_name", protocol],
    // AF_INET, AF_INET6 of Linux, as Postfix writes them down
    [
      "client_address_type",
      clientAddress === undefined ? undefined : clientAddress.includes(":") ? "10" : "2",
    ],
  ];
}

/** What Postfix has no attribute for. */
function ownLines(
  { requireTls, tlsNotRequired, overLimit, kind, trace, origin }: EnvelopeHead,
): readonly Perhaps[] {
  const yes = (is: boolean | undefined) => is === true ? "yes" : undefined;
  return [
    ["mta_require_tls", yes(requireTls)],
    ["mta_tls_not_required", yes(tlsNotRequired)],
    ["mta_over_limit", yes(overLimit)],
    ["mta_kind", kind === undefined || kind === "mail" ? undefined : kind],
    ["mta_trace", trace],
    ["mta_uid", origin.uid?.toString()],
  ];
}
