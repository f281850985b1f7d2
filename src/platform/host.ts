import os from "node:os";
import fs from "node:fs";
import { type Pointer, ptr, read, toBuffer } from "bun:ffi";
import { libc } from "./libc.ts";

/** One address of this machine and the length of its network's prefix. */
export interface InterfaceAddress {
  readonly interface: string;
  /** Canonical text without a zone. */
  readonly address: string;
  readonly family: 4 | 6;
  readonly prefix: number;
  readonly loopback: boolean;
}

/** The machine's name as gethostname(2) gives it; never asks DNS. */
export function hostName(): string {
  return os.hostname();
}

/** Every address of every interface that is up, in the system's order. */
export function interfaceAddresses(): InterfaceAddress[] {
  return Object.entries(os.networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map((entry) => ({
      interface: name,
      address: entry.address.replace(/%.*$/, ""),
      family: entry.family === "IPv6" ? 6 as const : 4 as const,
      prefix: Number((entry.cidr ?? "").split("/")[1] ?? (entry.family === "IPv6" ? 128 : 32)),
      loopback: entry.internal || entry.address === "::1" || entry.address.startsWith("127."),
    }))
  );
}

/** How many processors the scheduler may use. */
export function processorCount(): number {
  return os.availableParallelism();
}

const open = () =>
  libc({
    getaddrinfo: { args: ["ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    freeaddrinfo: { args: ["ptr"], returns: "void" },
  });

const [AF_INET, AF_INET6, SOCK_STREAM] = [2, 10, 1];

/** struct addrinfo on 64-bit Linux. */
const OFFSET = { family: 4, socktype: 8, address: 24, next: 40 };

function textOfSocketAddress(at: Pointer, family: number): string {
  if (family === AF_INET) return [...toBuffer(at, 4, 4)].join(".");
  const bytes = toBuffer(at, 8, 16);
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/**
 * Addresses of a host name by the system's own resolver (hosts file, then DNS), as Postfix looks up inet_interfaces. It
 * blocks: for start-up only, never on the mail path. Empty when the name is not known.
 */
export function lookupHostNow(name: string): string[] {
  const calls = open();
  const hints = Buffer.alloc(48);
  hints.writeInt32LE(SOCK_STREAM, OFFSET.socktype);
  const result = new BigUint64Array(1);
  const text = Buffer.from(`${name}\0`);
  if (calls.getaddrinfo(ptr(text), null, ptr(hints), ptr(result)) !== 0) return [];
  const first = Number(result[0]) as Pointer;
  const found: string[] = [];
  for (let at = first; at !== 0 as Pointer; at = read.ptr(at, OFFSET.next) as Pointer) {
    const family = read.i32(at, OFFSET.family);
    if (family !== AF_INET && family !== AF_INET6) continue;
    found.push(textOfSocketAddress(read.ptr(at, OFFSET.address) as Pointer, family));
  }
  calls.freeaddrinfo(first);
  return [...new Set(found)];
}

const SERVICES = "/etc/services";
let tcpPorts: ReadonlyMap<string, number> | undefined;

/** A TCP port by its name in /etc/services; undefined when it has none there. */
export function tcpPort(name: string): number | undefined {
  tcpPorts ??= readServices();
  return tcpPorts.get(name);
}

/** What mail needs of services(5) where a slim image has none (known_tcp_ports, postconf(5)). */
const OF_MAIL = "lmtp 24/tcp\nsmtp 25/tcp\nsubmissions 465/tcp smtps\nsubmission 587/tcp\n";

function readServices(): Map<string, number> {
  const ports = new Map<string, number>();
  let text = OF_MAIL;
  try {
    text = fs.readFileSync(SERVICES, "latin1");
  } catch { /* a slim image has none */ }
  for (const line of text.split("\n")) {
    const [name, port, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (port === undefined || !port.endsWith("/tcp")) continue;
    for (const each of [name!, ...aliases]) if (!ports.has(each)) ports.set(each, Number.parseInt(port));
  }
  return ports;
}

/** This process. */
export function ownProcessId(): number {
  return process.pid;
}
