import { ipv6Groups, queryName } from "../../../dns/name.ts";

/** Where a next hop leads, as written. */
export type Destination =
  | { readonly is: "socket"; readonly path: string }
  | {
    readonly is: "host";
    /** As written, brackets and port included: the key of kept connections. */
    readonly text: string;
    readonly host: string;
    readonly port: number;
    /** `[host]`: no MX lookup. */
    readonly literal: boolean;
  }
  | { readonly is: "malformed"; readonly why: string };

/** What a next hop is read with. */
export interface DestinationContext {
  readonly defaultPort: string;
  /** known_tcp_ports. */
  readonly knownPorts: ReadonlyMap<string, number>;
  /** services(5): port of a TCP service. */
  readonly service: (name: string) => number | undefined;
}

const BRACKETED = /^\[(?:ipv6:)?([^\]]*)\](?::(.*))?$/i;

/**
 * Reads `domain`, `domain:port`, `[host]`, `[host]:port` (transport(5)); an IPv6 address needs brackets. A text that is none
 * of these is the operator's mistake.
 */
export function parseDestination(text: string, context: DestinationContext): Destination {
  const bracketed = BRACKETED.exec(text);
  if (text.startsWith("[") && bracketed === null) return malformed("malformed host or port", text);
  const colon = text.lastIndexOf(":");
  const [host, service] = bracketed !== null
    ? [bracketed[1]!, bracketed[2]]
    : colon < 0
    ? [text, undefined]
    : [text.slice(0, colon), text.slice(colon + 1)];
  if (host === "" || service === "") return malformed("missing host or service", text);
  if (!isHost(host)) {
    return malformed("valid hostname or network address required in server description", text);
  }
  const port = portOf(service ?? context.defaultPort, context);
  if (typeof port === "string") return malformed(port, text);
  return { is: "host", text, host: withoutFinalDot(host), port, literal: bracketed !== null };
}

function malformed(why: string, text: string): Destination {
  return { is: "malformed", why: `${why}: ${text}` };
}

/** A name beyond ASCII is judged when it is looked up. */
function isHost(host: string): boolean {
  return /[^\x00-\x7f]/.test(host) || /^[\d.]+$/.test(host) || queryName(host) !== undefined ||
    ipv6Groups(host) !== undefined;
}

function withoutFinalDot(host: string): string {
  return host.length > 1 && host.endsWith(".") ? host.slice(0, -1) : host;
}

/** A port by number or name, or what is wrong with it. */
function portOf(service: string, context: DestinationContext): number | string {
  if (!/^\d+$/.test(service)) {
    return context.knownPorts.get(service) ?? context.service(service) ?? `unknown service: ${service}/tcp`;
  }
  const port = Number(service);
  return port > 0 && port < 65536 ? port : `bad network port: ${service} for destination`;
}
