import { oneLine } from "../base/printable.ts";
import type { ErrorClass } from "./error_class.ts";

/** An enhanced status code of one class (RFC 3463). */
export type Status<Class extends 2 | 4 | 5 = 2 | 4 | 5> = `${Class}.${number}.${number}`;

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
type NumberIn<Text extends string> = Text extends `${infer Value extends number}` ? Value : never;

/** Reply codes that accept. */
export type PositiveCode = 200 | 211 | 214 | 220 | 221 | 235 | 250 | 251 | 252 | 334 | 354;
/** Reply codes that ask to try later: 400 to 499. */
export type TransientCode = NumberIn<`4${Digit}${Digit}`>;
/** Reply codes that refuse for good: 500 to 599. */
export type PermanentCode = NumberIn<`5${Digit}${Digit}`>;

interface ReplyOf<Code extends number, Class extends 2 | 4 | 5> {
  readonly code: Code;
  readonly status?: Status<Class> | undefined;
  readonly lines: readonly string[];
  /** What trouble it stands for; it is not said, only told the postmaster (notify_classes). */
  readonly errorClass?: ErrorClass | "none";
}

/** A reply that refuses, for now or for good. */
export type Refusal = ReplyOf<TransientCode, 4> | ReplyOf<PermanentCode, 5>;

/**
 * An SMTP reply, whose two codes are of one class. `lines` has at least one element; a status is put in front of each line (RFC 2034
 * §4).
 */
export type Reply = ReplyOf<PositiveCode, 2> | Refusal;

/** A reply that accepts; `status` is left out where the RFCs want none (greeting, HELO, 354). */
export function accept(code: PositiveCode, status: Status<2> | undefined, ...lines: string[]): Reply {
  return { code, status, lines };
}
/** A reply that refuses for now. */
export function defer(code: TransientCode, status: Status<4> | undefined, ...lines: string[]): Refusal {
  return { code, status, lines };
}
/** A reply that refuses for good. */
export function refuse(code: PermanentCode, status: Status<5> | undefined, ...lines: string[]): Refusal {
  return { code, status, lines };
}

/** The same reply, as the trouble that it stands for; `none`: nothing that a postmaster would want to hear of. */
export function classed<Kind extends Reply>(reply: Kind, errorClass: ErrorClass | "none"): Kind {
  return { ...reply, errorClass };
}

const isTransient = (code: number): code is TransientCode => code >= 400 && code < 500;
const isPermanent = (code: number): code is PermanentCode => code >= 500 && code < 600;

/** Whether a text is an enhanced status of a class. */
function isStatus<Class extends 2 | 4 | 5>(text: string, kind: Class): text is Status<Class> {
  return /^[245]\.\d{1,3}\.\d{1,3}$/.test(text) && text.startsWith(`${kind}`);
}

/** The status in another class: `4.1.1` for `5.1.1`. Undefined when the text is no status. */
function fitted<Class extends 4 | 5>(text: string, kind: Class): Status<Class> | undefined {
  const other = `${kind}${text.slice(1)}`;
  return /^[245]/.test(text) && isStatus(other, kind) ? other : undefined;
}

/**
 * A refusal whose codes an operator or a table has named: the code decides, and the class of the status is made to fit it. Undefined
 * when the code refuses nothing, or the status is none.
 */
export function refusalWith(code: number, status: string, ...lines: string[]): Refusal | undefined {
  if (!Number.isInteger(code)) return undefined;
  const [soft, hard] = [fitted(status, 4), fitted(status, 5)];
  if (soft === undefined || hard === undefined) return undefined;
  if (isTransient(code)) return defer(code, soft, ...lines);
  return isPermanent(code) ? refuse(code, hard, ...lines) : undefined;
}

/** soft_bounce: what would refuse for good refuses for now. */
export function softened(reply: Reply): Reply {
  const { code, status, lines, errorClass } = reply;
  const softer = code - 100;
  if (!isPermanent(code) || !isTransient(softer)) return reply;
  const soft = defer(softer, status === undefined ? undefined : fitted(status, 4), ...lines);
  return errorClass === undefined ? soft : classed(soft, errorClass);
}

/** Status and text in one line, without the code: what cleanup's lines show. */
export function reasonText({ status, lines }: Reply): string {
  const text = lines.join(" ");
  return status === undefined ? text : `${status} ${text}`;
}

/** One-line form for log lines: code, status, text. */
export function replyText(reply: Reply): string {
  return `${reply.code} ${reasonText(reply)}`;
}

/**
 * The reply as it goes over the wire, CR LF included; several lines get `code-` but for the last (RFC 5321 §4.2.1). A line end or NUL
 * in a line is a blank.
 */
export function printReply(reply: Reply): string {
  const status = reply.status === undefined ? "" : `${reply.status} `;
  const last = reply.lines.length - 1;
  let out = "";
  for (let i = 0; i <= last; i++) {
    out += `${reply.code}${i === last ? " " : "-"}${status}${oneLine(reply.lines[i]!)}\r\n`;
  }
  return out;
}
