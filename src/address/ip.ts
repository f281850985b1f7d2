/** An IP address: 4 or 16 bytes, most significant first. */
export interface Ip {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
}

/** Four decimal numbers 0..255, no leading zeros, nothing else (inet_pton(3)); undefined when it is not that. */
function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  const bytes = new Uint8Array(4);
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 0x2e;
    if (code === 0x2e) {
      if (digits === 0 || part > 3) return undefined;
      bytes[part++] = value;
      digits = value = 0;
    } else {
      if (code < 0x30 || code > 0x39 || (digits > 0 && value === 0)) return undefined;
      value = value * 10 + code - 0x30;
      if (value > 255) return undefined;
      digits++;
    }
  }
  return part === 4 ? bytes : undefined;
}

const GROUP = /^[0-9a-fA-F]{1,4}$/;

/** The 16-bit groups of one side of `::`; an IPv4 tail counts as two. Undefined when malformed. */
function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]!;
    if (GROUP.test(part)) groups.push(parseInt(part, 16));
    else {
      const tail = mayEndInIpv4 && at === parts.length - 1 ? parseIpv4(part) : undefined;
      if (tail === undefined) return undefined;
      groups.push(tail[0]! << 8 | tail[1]!, tail[2]! << 8 | tail[3]!);
    }
  }
  return groups;
}

/** RFC 4291 §2.2, strictly: no zone, no brackets, `::` at most once and for at least one group. */
function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  const gap = text.indexOf("::");
  const head = groupsOf(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : groupsOf(text.slice(gap + 2), true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, at) => {
    bytes[2 * at] = group >> 8;
    bytes[2 * at + 1] = group & 255;
  });
  return bytes;
}

/** Reads an IPv4 or IPv6 address as inet_pton(3) does; undefined when it is neither. */
export function parseIp(text: string): Ip | undefined {
  const bytes = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  return bytes === undefined ? undefined : { family: bytes.length === 4 ? 4 : 6, bytes };
}

/** Where the longest run of two or more zero groups starts and ends; the first of equals (RFC 5952 §4.2). */
function longestZeroRun(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [-1, -1];
  for (let at = 0; at < 8;) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at >= 2 && end - at > best[1] - best[0]) best = [at, end];
    at = end + 1;
  }
  return best;
}

function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes[2 * at]! << 8 | bytes[2 * at + 1]!);
  const [start, end] = longestZeroRun(groups);
  const dotted = start === 0 && (end === 6 || (end === 5 && groups[5] === 0xffff));
  const texts = groups.slice(0, dotted ? 6 : 8).map((group) => group.toString(16));
  if (dotted) texts.push(bytes.subarray(12).join("."));
  if (start < 0) return texts.join(":");
  return `${texts.slice(0, start).join(":")}::${texts.slice(end).join(":")}`;
}

/** The one text form of an address: RFC 5952, and dotted for v4-mapped ones, as inet_ntop(3) prints. */
export function formatIp(ip: Ip): string {
  return ip.family === 4 ? ip.bytes.join(".") : formatIpv6(ip.bytes);
}

/** The canonical text of an address, or undefined when it is none. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text);
  return ip === undefined ? undefined : formatIp(ip);
}

/** The IPv4 address that a v4-mapped IPv6 address stands for (RFC 4291 §2.5.5.2); any other text as it is. */
export function withoutMapping(text: string): string {
  const ip = text.includes(":") ? parseIp(text) : undefined;
  return ip !== undefined && isMapped(ip.bytes) ? ip.bytes.subarray(12).join(".") : text;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff &&
    bytes.subarray(0, 10).every((byte) => byte === 0);
}
