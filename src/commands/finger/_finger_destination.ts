import { parseDestination } from "../../delivery/smtp/route/smtp_destination.ts";
import { FingerFault } from "./_finger_options.ts";

/** Where to look. */
export type FingerDestination =
  | { readonly is: "socket"; readonly path: string }
  | {
    readonly is: "host";
    readonly host: string;
    readonly port: number;
    /** `[host]`, or LMTP: no MX lookup. */
    readonly literal: boolean;
  };

interface DestinationContext {
  readonly lmtp: boolean;
  readonly knownPorts: ReadonlyMap<string, number>;
  readonly service: (name: string) => number | undefined;
}

/** Reads `domain`, `[host]:port`, and for LMTP `inet:host` or `unix:path`; throws in posttls-finger(1)'s words. */
export function parseFingerDestination(text: string, context: DestinationContext): FingerDestination {
  const { lmtp, knownPorts, service } = context;
  if (lmtp && text.startsWith("unix:")) return { is: "socket", path: text.slice(5) };
  const where = lmtp && text.startsWith("inet:") ? text.slice(5) : text;
  const found = parseDestination(where, {
    defaultPort: lmtp ? "24" : "smtp",
    knownPorts,
    service: (name) => service(name) ?? (name === "smtp" ? 25 : undefined),
  });
  if (found.is === "host") {
    return { is: "host", host: found.host, port: found.port, literal: lmtp || found.literal };
  }
  throw new FingerFault(found.is === "malformed" ? faultIn(where, found.why) : `bad destination: ${text}`);
}

function faultIn(text: string, why: string): string {
  if (text.startsWith("[") && !text.includes("]")) return `missing "]" in server description: ${text}`;
  if (text.startsWith(":") || text.startsWith("[]")) {
    return `missing host information in server description: ${text}`;
  }
  if (text.endsWith(":")) return `missing service information in server description: ${text}`;
  const service = /^unknown service: (.*)\/tcp:/.exec(why);
  if (service !== null) return `unknown service: ${service[1]}/tcp`;
  return why;
}
