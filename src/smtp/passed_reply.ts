import { accept, defer, type PositiveCode, refuse, type Reply } from "./reply.ts";
import type { ServerReply } from "./reply_reader.ts";

const POSITIVE: readonly number[] = [
  200,
  211,
  214,
  220,
  221,
  235,
  250,
  251,
  252,
  334,
  354,
] satisfies PositiveCode[];
const isPositive = (code: number): code is PositiveCode => POSITIVE.includes(code);

/**
 * Another server's reply as our own: its code, and its lines as they were said, enhanced status included. A code that SMTP does not know is
 * the plain one of its class; undefined for one that has no class.
 */
export function passedOn({ code, lines }: ServerReply): Reply | undefined {
  const texts = lines.filter((line) => /^\d{3}(?:[ -]|$)/.test(line)).map((line) => line.slice(4));
  if (isPositive(code)) return accept(code, undefined, ...texts);
  if (code >= 200 && code < 300) return accept(250, undefined, ...texts);
  if (code >= 400 && code < 500) return defer(code as 450, undefined, ...texts);
  return code >= 500 && code < 600 ? refuse(code as 550, undefined, ...texts) : undefined;
}
