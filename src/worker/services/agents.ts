import { systemClock } from "../../base/clock.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { Service } from "../../config/service.ts";
import { parseTime } from "../../config/syntax/value.ts";
import type { Agent, DeliveryJob } from "../../delivery/agent.ts";
import { createDiscardAgent } from "../../delivery/discard_agent.ts";
import { createErrorAgent } from "../../delivery/error_agent.ts";
import { createLocalAgent } from "../../delivery/local/local_agent.ts";
import { createUserLookup } from "../../delivery/local/users.ts";
import type { Identity, MailWriter } from "../../delivery/mailbox/writer.ts";
import { createPipeAgent } from "../../delivery/pipe/pipe_agent.ts";
import { createSmtpAgent, type SmtpAgentOptions } from "../../delivery/smtp/smtp_agent.ts";
import { createVirtualAgent } from "../../delivery/virtual/virtual_agent.ts";
import { isNamed, ownershipOf } from "../../platform/file/mail_files.ts";
import { environment } from "../../platform/process/this_process.ts";
import { groupByName, ownIds, userById, userByName } from "../../platform/process/users.ts";
import { FORWARDING_PROGRAMS, withForwardedSender } from "../../delivery/forwarded_sender.ts";
import { FILTERED_PROGRAMS, withStatusFilter } from "../../delivery/status_filter.ts";
import { ownerOfTable } from "../../table/table_owner.ts";
import type { Maps } from "../../table/search/maps.ts";
import type { AssemblyContext } from "../assembly.ts";
import { createClosedAgent } from "../../delivery/closed_agent.ts";
import { leasedAgent, type SharedLimit } from "./leased_agent.ts";
import type { Postmasters } from "./session_notices.ts";
import type { MailWorld } from "./mail_world.ts";
import type { MtaSts } from "./mta_sts.ts";
import type { TlsReports } from "./reports/tls_reports.ts";
import { cleanupFor } from "./cleanup_services.ts";

/** What the agents of a worker share. */
export interface AgentParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
  /** Acts with the rights of users. */
  readonly writer: MailWriter;
  /** Connections that each SMTP client may keep for the next delivery. */
  readonly kept: number;
  /** What domains publish about TLS, and what they are told of it; undefined where no client wants it. */
  readonly sts: MtaSts | undefined;
  readonly tlsReports: TlsReports | undefined;
  readonly postmasters: Postmasters;
  /** Other agents, by transport. */
  readonly agents: (transport: string) => Agent | undefined;
}

type OpenAgent = (service: Service, parts: AgentParts) => Agent;

const now = () => systemClock.now();

function smtpClient(program: "smtp" | "lmtp"): OpenAgent {
  return (service, { context, world, agents, kept, sts, tlsReports, postmasters }) =>
    createSmtpAgent({
      kept,
      program,
      settings: service.settings,
      resolver: world.resolver,
      validatedResolver: () => world.validatedResolver(),
      hosts: world.hosts,
      tlsFiles: context.tlsFiles,
      log: context.logFor(service.settings),
      ownAddresses: world.ownAddresses,
      proxyAddresses: world.proxyAddresses,
      flags: flagsOf(service.args),
      rewriting: { openTables: world.openTables, find: world.rewriter.find },
      secrets: world.tables,
      ...bestMxOf(service, agents),
      postmaster: postmasters.of(service, program),
      findSts: sts && program === "smtp" && service.settings.smtp_mta_sts_enable
        ? (domain) => sts.find(domain)
        : undefined,
      reporting: program === "smtp" && service.settings.smtp_tlsrpt_enable ? tlsReports : undefined,
    });
}

/** Who takes mail of which this machine is the best mail exchanger (best_mx_transport, `transport:nexthop`). */
function bestMxOf(
  { name, settings }: Service,
  agents: AgentParts["agents"],
): Pick<SmtpAgentOptions, "bestMx"> {
  const [transport = "", ...nexthop] = settings.best_mx_transport.split(":");
  if (transport === "" || transport === name) return {};
  return {
    bestMx(job, signal) {
      const agent = agents(transport);
      if (agent === undefined) throw new Error(`best_mx_transport: no transport "${transport}" in master.cf`);
      return agent.deliver({ ...job, transport, nexthop: nexthop.join(":") || job.nexthop }, signal);
    },
  };
}

/** `flags=DORF` of a transport's arguments (smtp(8), pipe(8)). */
function flagsOf(args: readonly string[]): string {
  return args.find((arg) => arg.startsWith("flags="))?.slice("flags=".length) ?? "";
}

function local({ settings }: Service, parts: AgentParts): Agent {
  const { context, world, writer, agents } = parts;
  const { paranoid } = world.openTables;
  const maps = (text: string, title: string): Maps | undefined => world.openTables.maps(text, title)?.whole;
  return createLocalAgent({
    settings,
    aliases: splitList(settings.alias_maps).map((spec) => {
      const table = paranoid.table(spec);
      return { table, owner: () => ownerOfTable(table) };
    }),
    mailboxCommandMaps: paranoid.maps(settings.mailbox_command_maps, "mailbox_command_maps")?.whole,
    mailboxTransportMaps: maps(settings.mailbox_transport_maps, "mailbox_transport_maps"),
    fallbackTransportMaps: maps(settings.fallback_transport_maps, "fallback_transport_maps"),
    users: createUserLookup([world.openTables.table("unix:passwd.byname")], ownIds()),
    defaultPrivs: identityOf(settings.default_privs, undefined, "default_privs"),
    writer,
    ownership: ownershipOf,
    named: isNamed,
    account: userById,
    standardForm: (address) => world.rewriter.standardForm(address, "local"),
    route: (sender, recipient) => world.router.route(sender, recipient),
    agents,
    environment,
    log: context.logFor(settings),
    cleanup: cleanupFor(settings, parts),
    newId: () => context.store.newId(),
    now,
  });
}

function virtual({ settings }: Service, { context, world, writer }: AgentParts): Agent {
  const { paranoid } = world.openTables;
  return createVirtualAgent({
    settings,
    mailboxMaps: paranoid.maps(settings.virtual_mailbox_maps, "virtual_mailbox_maps"),
    uidMaps: paranoid.maps(settings.virtual_uid_maps, "virtual_uid_maps"),
    gidMaps: paranoid.maps(settings.virtual_gid_maps, "virtual_gid_maps"),
    writer,
    now,
    log: context.logFor(settings),
  });
}

function pipe(service: Service, { context, writer }: AgentParts): Agent {
  const { settings, name, args } = service;
  const limit = context.configuration.parameter(`${name}_time_limit`) ?? String(settings.command_time_limit);
  return createPipeAgent({
    service: name,
    args,
    settings,
    timeLimit: parseTime(limit, "s") ?? settings.command_time_limit,
    identityOf: (user, group) => {
      try {
        return identityOf(user, group, "user");
      } catch (error) {
        return (error as Error).message;
      }
    },
    environment,
    writer,
    now,
  });
}

/** A user's numbers, and those of a group when it is another than the user's own. Throws with words for the operator. */
export function identityOf(user: string, group: string | undefined, what: string): Identity {
  const account = userByName(user);
  if (account === undefined) throw new Error(`${what}: unknown user: ${user}`);
  const other = group === undefined ? undefined : groupByName(group);
  if (group !== undefined && other === undefined) throw new Error(`${what}: unknown group: ${group}`);
  const identity = { uid: account.uid, gid: other?.gid ?? account.gid };
  if (identity.uid === 0) throw new Error(`${what}: privileged user: ${user}`);
  if (identity.gid === 0) throw new Error(`${what}: privileged group: ${group ?? user}`);
  return identity;
}

/** Delivery agents by their program in master.cf. */
const AGENTS: Readonly<Record<string, OpenAgent>> = {
  smtp: smtpClient("smtp"),
  lmtp: smtpClient("lmtp"),
  local,
  virtual,
  pipe,
  error: ({ name }) => createErrorAgent(name === "retry" ? "retry" : "error"),
  discard: () => createDiscardAgent(),
};

/** The transports of master.cf: unix services whose program delivers. */
function transportsOf(services: readonly Service[]): Service[] {
  return services.filter(({ type, program, closed }) =>
    type === "unix" && (closed !== undefined || Object.hasOwn(AGENTS, program))
  );
}

/** Opens agents when their transport is first used: a configuration names many that never are. */
export class Agents {
  readonly #parts: AgentParts;
  readonly #services: ReadonlyMap<string, Service>;
  readonly #open = new Map<string, Agent>();

  constructor(services: readonly Service[], parts: Omit<AgentParts, "agents">) {
    this.#parts = { ...parts, agents: (transport) => this.of(transport) };
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
    const agent = this.#opened(service);
    this.#open.set(transport, agent);
    return agent;
  }

  /** An agent that cannot be opened is closed until the configuration is another: its mail waits. */
  #opened(service: Service): Agent {
    const { closed, name, program, line } = service;
    if (closed !== undefined) return createClosedAgent(closed);
    try {
      return this.#leased(
        service,
        this.#filtered(service, this.#forwarding(service, AGENTS[program]!(service, this.#parts))),
      );
    } catch (error) {
      const why = (error as Error).message;
      const log = this.#parts.context.logFor(service.settings);
      log.note("qmgr", "error", `transport ${name} (master.cf, line ${line}) is closed: ${why}`);
      return createClosedAgent(why);
    }
  }

  /** What mail is sent on with goes on under a sender of ours. */
  #forwarding({ settings }: Service, agent: Agent): Agent {
    const { context, world: { forwarding } } = this.#parts;
    if (forwarding === undefined || !FORWARDING_PROGRAMS.includes(agent.program)) return agent;
    const log = context.logFor(settings);
    return withForwardedSender(agent, forwarding, (id, sender, now) => {
      log.note(agent.program, "info", `${id}: forwarded, from=<${sender}> goes out as <${now}>`);
    });
  }

  #filtered({ program, settings }: Service, agent: Agent): Agent {
    const filtering = FILTERED_PROGRAMS.find((each) => each === program);
    if (filtering === undefined) return agent;
    const name = `${filtering}_delivery_status_filter` as const;
    const { context, world } = this.#parts;
    const maps = world.openTables.maps(settings[name], name);
    if (maps === undefined) return agent;
    const log = context.logFor(settings);
    return withStatusFilter(agent, maps, (text) => log.note(filtering, "warning", text));
  }

  /** Limits below the number of workers cannot be split: master counts them (partOf gives each worker one). */
  #leased(service: Service, agent: Agent): Agent {
    const { configuration, workers, request } = this.#parts.context;
    const scarce = (limit: number) => limit > 0 && limit < workers;
    const limits: SharedLimit[] = [];
    if (scarce(service.processLimit)) {
      limits.push({ limit: service.processLimit, key: ({ transport }) => transport });
    }
    const number = (rest: string, fallback: number) =>
      Number(configuration.parameter(`${service.name}_${rest}`) ?? fallback);
    const { settings } = configuration;
    const perDestination = number(
      "destination_concurrency_limit",
      settings.default_destination_concurrency_limit,
    );
    if (scarce(perDestination)) {
      // With one recipient a delivery, each recipient is a destination of its own (qmgr(8)).
      const single =
        number("destination_recipient_limit", settings.default_destination_recipient_limit) === 1;
      const key = ({ transport, nexthop, recipients }: DeliveryJob) =>
        `${transport} ${single ? recipients[0]?.recipient.address : nexthop}`;
      limits.push({ limit: perDestination, key });
    }
    if (limits.length === 0) return agent;
    return leasedAgent(agent, limits, {
      take: (key, limit) => request("lease", { key, limit }),
      giveBack: (key) => request("release", { key }),
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((agent) => agent.close()));
  }
}
