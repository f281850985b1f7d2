import { listenAddresses } from "./listen_address.ts";
import type { Configuration, Service } from "./service.ts";
import type { World } from "./world.ts";

/** An address and port that a service listens on. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Index into the configuration's services. */
  readonly service: number;
  /** A wildcard that the machine may not have (`::` without IPv6): left out in silence when it cannot be opened. */
  readonly optional: boolean;
}

/** Where to listen, or what is wrong with an entry, in master(8)'s words. */
export type Endpoints =
  | { readonly is: "endpoints"; readonly endpoints: readonly Endpoint[] }
  | { readonly is: "bad"; readonly why: string };

/** Programs that accept connections from the network. */
export const LISTENING_PROGRAMS: ReadonlySet<string> = new Set(["smtpd", "postscreen"]);

/** Whether connections to an entry's address are taken by workers: also to hear that the service is closed. */
export function isListening({ type, program, closed }: Service): boolean {
  return type === "inet" && (closed !== undefined || LISTENING_PROGRAMS.has(program));
}

/** Every endpoint that the inet services of master.cf ask for that `serves` takes (master(5), inet_interfaces). */
export function listeningEndpoints(
  configuration: Configuration,
  world: World,
  serves: (service: Service) => boolean = isListening,
): Endpoints {
  const endpoints: Endpoint[] = [];
  for (const [index, service] of configuration.services.entries()) {
    if (service.type !== "inet" || !serves(service)) continue;
    const found = listenAddresses(service.name, configuration.settings, world);
    if (found.is === "bad") {
      const place = `${configuration.directory}/master.cf: line ${service.line}`;
      return { is: "bad", why: `${place}: ${found.text}; specify ${found.expected}` };
    }
    const both = found.addresses.length > 1;
    for (const { host, port } of found.addresses) {
      endpoints.push({ address: host, port, service: index, optional: both && host === "::" });
    }
  }
  return { is: "endpoints", endpoints };
}
