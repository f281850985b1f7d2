import packet from "dns-packet";
import { queryName, reverseName } from "./name.ts";
import type { DnsRecord, RecordType } from "./record.ts";

/** UDP payload that passes every path unfragmented (DNS flag day 2020). */
const UDP_PAYLOAD = 1232;
const HEADER = 12;

/** A query on its way: the bytes, and the part of them that a true response repeats. */
export interface Question {
  readonly id: number;
  readonly bytes: Buffer;
  /** The question section, as sent. */
  readonly section: Buffer;
}

/** What a query says beside its question. */
export interface QueryForm {
  /** Adds the OPT record (RFC 6891). */
  readonly edns: boolean;
  /** Asks to hear whether the answer was validated: the AD flag (RFC 6840 §5.7), and with EDNS the DO flag (RFC 4035 §3.2.1). */
  readonly dnssec: boolean;
}

/** Prints a query with recursion desired; the root's name is "". */
export function printQuery(id: number, name: string, type: RecordType, form: QueryForm): Question {
  const flags = form.dnssec ? packet.DNSSEC_OK : 0;
  const opt = { type: "OPT", name: ".", udpPayloadSize: UDP_PAYLOAD, flags, options: [] } as const;
  const bytes = packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED | (form.dnssec ? packet.AUTHENTIC_DATA : 0),
    questions: [{ type, name, class: "IN" }],
    additionals: form.edns ? [opt as unknown as packet.Answer] : [],
  });
  const end = HEADER + (name === "" ? 1 : name.length + 2) + 4;
  return { id, bytes, section: bytes.subarray(HEADER, end) };
}

/** Whether the bytes answer that question: id, response bit, and the question word for word (RFC 5452 §4.2). */
export function answersQuestion(bytes: Uint8Array, question: Question): boolean {
  const end = HEADER + question.section.length;
  if (bytes.length < end) return false;
  const id = (bytes[0]! << 8) | bytes[1]!;
  const isResponse = (bytes[2]! & 0x80) !== 0;
  const count = (bytes[4]! << 8) | bytes[5]!;
  if (id !== question.id || !isResponse || count !== 1) return false;
  for (let i = 0; i < question.section.length; i++) {
    if (lower(bytes[HEADER + i]!) !== lower(question.section[i]!)) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** What a server said. */
export interface Response {
  readonly rcode: string;
  readonly truncated: boolean;
  readonly authentic: boolean;
  /** Without those that name what can be no host. */
  readonly answers: readonly DnsRecord[];
  /** The ones that do. */
  readonly malformed: readonly DnsRecord[];
  /** How long a negative answer holds, in seconds: from the SOA record (RFC 2308 §5); undefined without one. */
  readonly negativeTtl: number | undefined;
}

/** Whether the truncation bit is set, told without decoding: a cut packet need not be decodable. */
export function isTruncated(bytes: Uint8Array): boolean {
  return (bytes[2]! & 0x02) !== 0;
}

/** Response code of a header (RFC 1035 §4.1.1), for a server that answers FORMERR without repeating the question. */
export function isFormatError(bytes: Uint8Array, id: number): boolean {
  return bytes.length >= HEADER && ((bytes[0]! << 8) | bytes[1]!) === id && (bytes[2]! & 0x80) !== 0 &&
    (bytes[3]! & 0x0f) === 1;
}

/** Whether a response has an OPT record: its server knows EDNS (RFC 6891 §7). */
export function hasEdns(bytes: Uint8Array): boolean {
  try {
    const { additionals } = packet.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return additionals?.some(({ type }) => type === "OPT") === true;
  } catch {
    return false; // malformed
  }
}

/** Decodes a response; undefined when it is malformed. Records of types that we do not know are left out. */
export function parseResponse(bytes: Uint8Array): Response | undefined {
  try {
    const decoded = packet.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const records = (decoded.answers ?? []).map(toRecord).filter((record) => record !== undefined);
    const answers = records.filter(namesHost);
    const soa = (decoded.authorities ?? []).map(toRecord).find((record) => record?.type === "SOA");
    return {
      rcode: "rcode" in decoded ? String(decoded.rcode) : "NOERROR",
      truncated: decoded.flag_tc === true,
      authentic: decoded.flag_ad === true,
      answers,
      malformed: records.filter((record) => !namesHost(record)),
      negativeTtl: soa?.type === "SOA" ? Math.min(soa.ttl, soa.minimum) : undefined,
    };
  } catch {
    return undefined; // the codec throws on malformed packets, and only then
  }
}

/** Text of a TXT record's strings: bytes as Latin-1, joined without a gap (RFC 7208 §3.3). */
function textOf(data: packet.TxtData): string {
  const strings = Array.isArray(data) ? data : [data];
  return strings.map((part) => typeof part === "string" ? part : part.toString("latin1")).join("");
}

/** A name without its final dot. Bytes of a label that are not printable are `\DDD` (RFC 1035 §5.1): a name is one word wherever it goes. */
export function printedName(name: string): string {
  if (name === ".") return "";
  const bare = name.replace(/\.$/, "");
  return /^[!-~]*$/.test(bare) ? bare : Buffer.from(bare).toString("latin1").replace(/[^!-~]/g, decimal);
}

const decimal = (char: string) => `\\${`${char.charCodeAt(0)}`.padStart(3, "0")}`;

function toRecord(answer: packet.Answer): DnsRecord | undefined {
  if (answer.type === "OPT" || ("class" in answer && answer.class !== "IN")) return undefined;
  const name = printedName(answer.name);
  const ttl = boundedTtl("ttl" in answer ? answer.ttl : 0);
  switch (answer.type) {
    case "A":
    case "AAAA":
      return { type: answer.type, name, ttl, address: answer.data };
    case "CNAME":
    case "NS":
    case "PTR":
      return { type: answer.type, name, ttl, target: printedName(answer.data) };
    case "MX":
      return {
        type: "MX",
        name,
        ttl,
        preference: answer.data.preference ?? 0,
        exchange: printedName(answer.data.exchange),
      };
    case "TXT":
      return { type: "TXT", name, ttl, text: textOf(answer.data) };
    case "SOA":
      return { type: "SOA", name, ttl, minimum: boundedTtl(answer.data.minimum) };
    case "SRV": {
      const { priority = 0, weight = 0, port, target } = answer.data;
      return { type: "SRV", name, ttl, priority, weight, port, target: printedName(target) };
    }
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = answer.data;
      return { type: "TLSA", name, ttl, usage, selector, matchingType, data: certificate };
    }
    default:
      return undefined;
  }
}

/** The host that a record names; undefined for records that name none, and for PTR: its reader says what is wrong with the name. */
export function hostIn(record: DnsRecord): string | undefined {
  switch (record.type) {
    case "MX":
      return record.exchange;
    case "CNAME":
    case "NS":
    case "SRV":
      return record.target;
    default:
      return undefined;
  }
}

/**
 * Whether that name could be a host's (valid_hostname(3)), an address or the root: labels in the DNS may hold any bytes, and this one is
 * going into logs and notices.
 */
function namesHost(record: DnsRecord): boolean {
  const name = hostIn(record) ?? "";
  return name === "" || queryName(name) !== undefined || reverseName(name) !== undefined;
}

/** A TTL with the top bit set counts as zero (RFC 2181 §8). */
function boundedTtl(ttl: number | undefined): number {
  return ttl === undefined || ttl > 0x7fffffff ? 0 : ttl;
}
