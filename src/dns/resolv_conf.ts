import { systemFile } from "../platform/file/system_file.ts";
import type { Server } from "./exchange.ts";
import { ipv6Groups } from "./name.ts";

/** What resolv.conf(5) says about servers. */
export interface ResolvConf {
  readonly servers: readonly Server[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly attempts: number;
  /** `options trust-ad`: the AD flag of these servers is to be believed, wherever they are. */
  readonly trustAd: boolean;
}

const PORT = 53;
/** Servers that the C library uses; it ignores more (resolv.conf(5) MAXNS). */
const MAX_SERVERS = 3;
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/** Parses resolv.conf(5); without a `nameserver` line it is the one on this machine. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: Server[] = [];
  let timeout = 5;
  let attempts = 2;
  let trustAd = false;
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line.replace(/[#;].*/, "").trim().split(/\s+/);
    if (keyword === "nameserver" && isAddress(values[0])) servers.push({ host: values[0], port: PORT });
    if (keyword !== "options") continue;
    for (const option of values) {
      timeout = numberAfter("timeout:", option, 1, 30) ?? timeout;
      attempts = numberAfter("attempts:", option, 1, 5) ?? attempts;
      trustAd ||= option === "trust-ad";
    }
  }
  if (servers.length === 0) servers.push({ host: "127.0.0.1", port: PORT });
  return { servers: servers.slice(0, MAX_SERVERS), timeout: timeout * 1000, attempts, trustAd };
}

function isAddress(text: string | undefined): text is string {
  return text !== undefined && (IPV4.test(text) || ipv6Groups(text.replace(/%.*/, "")) !== undefined);
}

function numberAfter(prefix: string, option: string, min: number, max: number): number | undefined {
  if (!option.startsWith(prefix)) return undefined;
  const value = Number(option.slice(prefix.length));
  return Number.isInteger(value) ? Math.min(Math.max(value, min), max) : undefined;
}

/** `/etc/resolv.conf` as it is now. */
export function systemResolvConf(path = "/etc/resolv.conf"): ResolvConf {
  return systemFile(path, parseResolvConf)();
}

/** One item of `dns_servers`: `address`, `address:port`, `[v6address]:port`; undefined when it is none of these. */
export function parseServer(item: string): Server | undefined {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(item);
  const plain = /^(\d+\.\d+\.\d+\.\d+)(?::(\d+))?$/.exec(item);
  const [host, port] = bracketed !== null
    ? [bracketed[1], bracketed[2]]
    : plain !== null
    ? [plain[1], plain[2]]
    : [item, undefined];
  const number = port === undefined ? PORT : Number(port);
  if (!isAddress(host) || number < 1 || number > 65535) return undefined;
  return { host, port: number };
}
