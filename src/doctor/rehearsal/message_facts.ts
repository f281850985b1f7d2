import { LineMeter } from "../../cleanup/line_meter.ts";
import { fieldName } from "../../cleanup/signing/signing_settings.ts";

/** What of a message a receiver has rules about. */
export interface MessageFacts {
  /** Whole fields, one character a byte, from the top, as in wire form. */
  readonly fields: readonly string[];
  /** Lines of the head that are no fields. */
  readonly strays: readonly string[];
  /** Bytes as it travels: with CR LF. */
  readonly size: number;
  /** The longest line; 998 stands for any length up to it. */
  readonly longestLine: number;
  /** Bytes beyond ASCII in the head. */
  readonly rawHeader: boolean;
  /** The same behind it. */
  readonly rawBody: boolean;
}

/** What a message is held against. */
export interface MessageExpectation {
  /** The sender's domain. */
  readonly domain: string;
  /** message_size_limit; 0 = none. */
  readonly sizeLimit: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly bulk: boolean;
  /** Names of fields that DKIM signs, in lower case; undefined where nothing is signed. */
  readonly signed: readonly string[] | undefined;
}

/** A head that is longer is nobody's. */
const LONGEST_HEAD = 1 << 20;
const FIELD = /^[!-9;-~]+[ \t]*:/;
const [CR, LF] = [13, 10];

/** Takes a message apart, with line ends of either kind. The line before it in a mailbox ("From ") is passed over. */
export function messageFacts(bytes: Buffer): MessageFacts {
  const from = bytes.subarray(0, 5).toString("latin1") === "From " ? bytes.indexOf(LF) + 1 : 0;
  const message = inWireForm(bytes.subarray(from));
  const end = endOfHead(message);
  const head = message.subarray(0, end).toString("latin1");
  const lines = head.split(/\r\n(?![ \t])/).filter((line) => line !== "");
  const meter = new LineMeter();
  meter.push(message);
  return {
    fields: lines.filter((line) => FIELD.test(line)).map((line) => `${line}\r\n`),
    strays: lines.filter((line) => !FIELD.test(line)),
    size: message.length,
    longestLine: meter.longest,
    rawHeader: BEYOND_ASCII.test(head),
    rawBody: BEYOND_ASCII.test(message.subarray(end).toString("latin1")),
  };
}

const BEYOND_ASCII = /[^\x00-\x7f]/;

/** As it travels: files of this system end lines with LF alone. */
function inWireForm(message: Buffer): Buffer {
  const first = message.indexOf(LF);
  if (first < 0 || message[first - 1] === CR) return message;
  return Buffer.from(message.toString("latin1").replaceAll("\n", "\r\n"), "latin1");
}

function endOfHead(message: Buffer): number {
  const empty = message.indexOf("\r\n\r\n");
  return Math.min(LONGEST_HEAD, empty < 0 ? message.length : empty + 2);
}

/** The values of a field, unfolded. */
export function valuesOf({ fields }: MessageFacts, name: string): string[] {
  return fields.filter((field) => fieldName(field) === name)
    .map((field) => field.slice(field.indexOf(":") + 1).replace(/\r\n/g, "").trim());
}
