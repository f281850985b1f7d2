import type { Service } from "../config/service.ts";
import type { Agent } from "../delivery/agent.ts";
import { createSmtpAgent } from "../delivery/smtp/agent.ts";
import type { AssemblyContext } from "./assembly.ts";
import type { MailWorld } from "./_mail_world.ts";

/** What the agents of a worker share. */
export interface AgentParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
}

type OpenAgent = (service: Service, parts: AgentParts) => Agent;

function smtpClient(program: "smtp" | "lmtp"): OpenAgent {
  return (service, { context, world }) =>
    createSmtpAgent({
      program,
      settings: service.settings,
      resolver: world.resolver,
      hosts: world.hosts,
      log: context.logFor(service.settings),
      ownAddresses: world.ownAddresses,
      proxyAddresses: world.proxyAddresses,
      flags: flagsOf(service.args),
    });
}

/** `flags=DORF` of a transport's arguments (smtp(8), pipe(8)). */
export function flagsOf(args: readonly string[]): string {
  return args.find((arg) => arg.startsWith("flags="))?.slice("flags=".length) ?? "";
}

/** Delivery agents by their program in master.cf. */
const AGENTS: Readonly<Record<string, OpenAgent>> = {
  smtp: smtpClient("smtp"),
  lmtp: smtpClient("lmtp"),
};

/** The transports of master.cf: unix services whose program delivers. */
export function transportsOf(services: readonly Service[]): Service[] {
  return services.filter(({ type, program }) => type === "unix" && Object.hasOwn(AGENTS, program));
}

/** Opens agents when their transport is first used: a configuration names many that never are. */
export class Agents {
  readonly #parts: AgentParts;
  readonly #services: ReadonlyMap<string, Service>;
  readonly #open = new Map<string, Agent>();

  constructor(services: readonly Service[], parts: AgentParts) {
    this.#parts = parts;
    this.#services = new Map(transportsOf(services).map((service) => [service.name, service]));
  }

  get names(): readonly string[] {
    return [...this.#services.keys()];
  }

  service(transport: string): Service | undefined {
    return this.#services.get(transport);
  }

  of(transport: string): Agent | undefined {
    const known = this.#open.get(transport);
    if (known !== undefined) return known;
    const service = this.#services.get(transport);
    if (service === undefined) return undefined;
    const agent = AGENTS[service.program]!(service, this.#parts);
    this.#open.set(transport, agent);
    return agent;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((agent) => agent.close()));
  }
}
