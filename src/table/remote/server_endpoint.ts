import type { ConnectTo } from "../../platform/socket/connection.ts";
import { tcpPort } from "../../platform/host.ts";
import type { TableContext } from "../context.ts";

/** What a text says about a server's place. */
export type Endpoint = { readonly is: "endpoint"; readonly to: ConnectTo } | {
  readonly is: "bad";
  readonly why: string;
};

const bad = (why: string): Endpoint => ({ is: "bad", why });

/**
 * `inet:host:port`, `inet:port`, `unix:path`; a path is relative to `directory` (the queue directory, as daemons see it).
 * An IPv6 address stands in brackets, a port may be a name of services(5).
 */
export function parseEndpoint(spec: string, directory: string): Endpoint {
  const colon = spec.indexOf(":");
  const transport = spec.slice(0, colon);
  const place = spec.slice(colon + 1);
  if (colon < 1 || place === "") return bad(`need service transport:endpoint instead of "${spec}"`);
  if (transport === "inet") return parseHostPort(place);
  if (transport !== "unix" && transport !== "local") {
    return bad(`invalid transport name: ${transport} in service: ${spec}`);
  }
  const path = place.startsWith("/") || directory === "" ? place : `${directory}/${place}`;
  return { is: "endpoint", to: { path } };
}

/** `host:port`, `[address]:port`, `:port` or `port`; without a host this machine is meant (inet_connect). */
export function parseHostPort(place: string): Endpoint {
  const parts = /^(?:(?:\[([^\]]*)\]|([^:[\]]*)):)?([^:[\]]+)$/.exec(place);
  if (parts === null) return bad(`${place}: valid hostname or network address required`);
  const [, bracketed, plain, service] = parts;
  if (/^\d+\D/.test(service!)) return bad(`${service}: garbage after numerical service`);
  const port = /^\d+$/.test(service!) ? Number(service) : tcpPort(service!);
  if (port === undefined) return bad(`host or service ${place} not found: Servname not supported`);
  if (port < 1 || port > 65_535) return bad(`${place}: bad port ${port}: specify 1 to 65535`);
  const host = (bracketed ?? plain ?? "").replace(/^ipv6:/i, "");
  return { is: "endpoint", to: { host: host === "" ? "localhost" : host, port } };
}

/** Sockets of daemons are named from the queue directory, those of commands from the working directory. */
export function serverDirectory(context: TableContext): string {
  return context.asPostmap === true ? "" : context.parameter("queue_directory") ?? "";
}
