import { formatIp, parseIp } from "../address/ip.ts";

/** One side of the connection that a proxy has taken. */
interface Side {
  readonly address: string;
  readonly port: number;
}

/** The families of addresses that are in use (inet_protocols). */
export type ProxyFamilies = ReadonlySet<4 | 6>;

/** What the bytes so far say. `length` bytes were the header. */
export type ProxyHeader =
  | { readonly is: "proxied"; readonly client: Side; readonly server: Side; readonly length: number }
  /** The proxy speaks for itself, for a health check: the connection's own addresses hold. */
  | { readonly is: "local"; readonly length: number }
  | { readonly is: "incomplete"; readonly why: string }
  | { readonly is: "bad"; readonly why: string };

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const FIXED = SIGNATURE.length + 4;
const TEXT = Buffer.from("PROXY ");
/** Far over the 107 bytes of version 1, and room for the attributes of version 2. */
const LONGEST = 2048;

const bad = (why: string): ProxyHeader => ({ is: "bad", why });
const incomplete = (why: string): ProxyHeader => ({ is: "incomplete", why });
const isPrefix = (start: Buffer, of: Buffer) =>
  start.subarray(0, of.length).equals(of.subarray(0, start.length));

/**
 * Reads the header that a proxy puts before a connection's own bytes, version 1 or 2 (the PROXY protocol of haproxy,
 * smtpd_upstream_proxy_protocol). The words for what is wrong are Postfix's.
 */
export function parseProxyHeader(bytes: Buffer, families: ProxyFamilies): ProxyHeader {
  if (bytes.length === 0) return incomplete("timeout error");
  if (isPrefix(bytes, SIGNATURE)) return parseBinary(bytes, families);
  if (isPrefix(bytes, TEXT)) return parseText(bytes, families);
  return bad(bytes.length < FIXED ? "short protocol header" : "unrecognized protocol header");
}

function parseText(bytes: Buffer, families: ProxyFamilies): ProxyHeader {
  const end = bytes.indexOf(10);
  const unfinished = "missing protocol header terminator";
  if (end < 0) return bytes.length < LONGEST ? incomplete(unfinished) : bad(unfinished);
  const [, protocol, client, server, clientPort, serverPort] = bytes.toString("latin1", 0, end)
    .replace(/\r$/, "").split(" ").filter((word, at) => word !== "" || at === 0);
  const family = protocol === "TCP4" ? 4 : protocol === "TCP6" ? 6 : undefined;
  if (family === undefined || !families.has(family)) return bad("bad or missing protocol type");
  const from = addressOf(client, family, families);
  if (from === undefined) return bad("bad or missing client address");
  const to = addressOf(server, family, families);
  if (to === undefined) return bad("bad or missing server address");
  const fromPort = portOf(clientPort);
  if (fromPort === undefined) return bad("bad or missing client port");
  const toPort = portOf(serverPort);
  if (toPort === undefined) return bad("bad or missing server port");
  return {
    is: "proxied",
    client: { address: from, port: fromPort },
    server: { address: to, port: toPort },
    length: end + 1,
  };
}

/** An address of the family; a v4-mapped one is the IPv4 address, where there is IPv4. */
function addressOf(text: string | undefined, family: 4 | 6, families: ProxyFamilies): string | undefined {
  const ip = text === undefined ? undefined : parseIp(text);
  if (ip === undefined || ip.family !== family) return undefined;
  const printed = formatIp(ip);
  return printed.startsWith("::ffff:") && families.has(4) ? printed.slice("::ffff:".length) : printed;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port < 65_536 ? port : undefined;
}

/** Version 2: a fixed part, then addresses and attributes of the length that it tells. */
function parseBinary(bytes: Buffer, families: ProxyFamilies): ProxyHeader {
  const unfinished = "short version 2 protocol header";
  if (bytes.length < FIXED) return incomplete(unfinished);
  const [version, family] = [bytes[SIGNATURE.length]!, bytes[SIGNATURE.length + 1]!];
  const length = FIXED + bytes.readUInt16BE(SIGNATURE.length + 2);
  if (version >> 4 !== 2) return bad("unrecognized protocol version");
  if (length > LONGEST) return bad(unfinished);
  if (bytes.length < length) return incomplete(unfinished);
  if ((version & 15) === 0) return { is: "local", length };
  if ((version & 15) !== 1) return bad("bad command in proxy header");
  return binaryAddresses(family, bytes.subarray(FIXED, length), length, families);
}

const OVER_TCP: Readonly<Record<number, 4 | 6>> = { 0x11: 4, 0x21: 6 };

function binaryAddresses(
  kind: number,
  block: Buffer,
  length: number,
  families: ProxyFamilies,
): ProxyHeader {
  const family = OVER_TCP[kind];
  if (family === undefined) return bad("unsupported network protocol");
  if (!families.has(family)) return bad(`Postfix IPv${family} support is disabled`);
  const size = family === 4 ? 4 : 16;
  if (block.length < 2 * size + 4) return bad("short address field");
  const address = (at: number) => {
    const text = formatIp({ family, bytes: Uint8Array.from(block.subarray(at, at + size)) });
    return text.startsWith("::ffff:") && families.has(4) ? text.slice("::ffff:".length) : text;
  };
  return {
    is: "proxied",
    client: { address: address(0), port: block.readUInt16BE(2 * size) },
    server: { address: address(size), port: block.readUInt16BE(2 * size + 2) },
    length,
  };
}
