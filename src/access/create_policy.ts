import { systemClock } from "../base/clock.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/syntax/list.ts";
import type { Service } from "../config/service.ts";
import { checkSpf } from "../mailauth/spf/check_spf.ts";
import { connect as platformConnect } from "../platform/socket/connection.ts";
import { createFindAddress } from "../rewrite/find_address.ts";
import type { LocalDomains } from "../rewrite/local_domains.ts";
import { type OpenTables, parentMatches } from "../rewrite/open_tables.ts";
import type { Resolution, Router } from "../routing/route.ts";
import { permitMynetworks, permitSaslAuthenticated } from "./restrictions/client_restrictions.ts";
import { refuseUnauthDestination } from "./restrictions/destination_restrictions.ts";
import { inTurn } from "../rewrite/in_turn.ts";
import { DUNNO } from "./verdict.ts";
import { createClasses } from "./engine/classes.ts";
import { type CompileContext, compileList } from "./engine/compile.ts";
import { createHeaderContext } from "./header_context.ts";
import type { AccessPolicy, PolicyProblem } from "./policy.ts";
import type { Connect } from "../platform/socket/connection_pool.ts";
import { parseEndpoint } from "../table/remote/server_endpoint.ts";
import { createPolicyServer, type PolicyServer } from "./policy_server.ts";
import { parsePolicySpec, type PolicySpec } from "./restrictions/policy_service.ts";
import type { DefaultCheck, RestrictionList } from "./restriction.ts";
import { relayFlaw } from "../config/check/relay_guard.ts";
import { contentWords } from "./engine/content_words.ts";
import { createExemptClients } from "./engine/exempt_clients.ts";
import { createClientJudge } from "./engine/judge_client.ts";
import { createSigningClients } from "./engine/signing_clients.ts";
import { createStages, type Lists } from "./engine/stages.ts";
import { createUnlisted } from "./restrictions/unlisted.ts";
import { openSenderSpf, type SenderSpf } from "./sender_spf.ts";
import type { AddressVerifier } from "./verifier.ts";
import type { WalkRules } from "./engine/walk.ts";
import type { AccessSettings, PolicyDns, RestrictionDeps } from "./restriction_deps.ts";

/** What the policy asks of the rest of the house and of the world. */
export interface PolicyDeps {
  readonly router: Router;
  readonly local: LocalDomains;
  /** Shared with rewriting and routing; the policy does not close it. */
  readonly openTables: OpenTables;
  readonly dns?: PolicyDns;
  readonly verifier?: AddressVerifier;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly sleep?: (seconds: number) => Promise<void>;
  /** Opens connections to policy servers; platform/socket/connection.ts when left out. */
  readonly connect?: Connect;
  /** Stands before each policy server, to see what it is asked or to answer in its place (`mta explain`). */
  readonly watchServer?: (server: PolicyServer, spec: PolicySpec) => PolicyServer;
  /** Stands before the SPF results of a session, to see who asks for them (`mta explain`). */
  readonly watchSpf?: (spf: SenderSpf) => SenderSpf;
  /** A name for policy requests that differs between workers. */
  readonly instancePrefix?: string;
}

/** The part of a service that its access policy depends on. */
export type PolicyService = {
  readonly settings: AccessSettings & { readonly queue_directory: string };
  readonly stressed?: AccessSettings;
  parameter(name: string): string | undefined;
} | Service;

const DAY = 86_400;

/** Builds the access policy of one smtpd service (SMTPD_ACCESS_README). */
export function createAccessPolicy(service: PolicyService, deps: PolicyDeps): AccessPolicy {
  return assembleAccess(service, deps).policy;
}

/** A policy and what it is made of, for those who read the lists instead of asking them (relay proof). */
export interface AccessParts {
  readonly policy: AccessPolicy;
  readonly lists: Lists;
  readonly restrictionDeps: RestrictionDeps;
}

/** Builds the access policy of one smtpd service, and hands its parts out too. */
export function assembleAccess(service: PolicyService, deps: PolicyDeps): AccessParts {
  const { settings } = service;
  const problems: PolicyProblem[] = [];
  const servers = createServers(settings, deps);
  const classNames = splitList(settings.smtpd_restriction_classes);
  const restrictionDeps = createWorkshop(
    service,
    deps,
    servers.get,
    (value, table, check) => classes.inline(value, table, check),
  );
  const classes = createClasses(classNames, service, restrictionDeps, (problem) => problems.push(problem));
  const lists = compileLists(settings, classes.context);
  const flaw = relayFlaw({
    smtpd_relay_restrictions: settings.smtpd_relay_restrictions,
    smtpd_recipient_restrictions: settings.smtpd_recipient_restrictions,
    classText: (name) => classNames.includes(name) ? service.parameter(name) : undefined,
  });
  if (flaw !== undefined) {
    const level = settings.allow_open_relay ? "warning" : "fatal";
    problems.push({ level, parameter: "smtpd_relay_restrictions", text: flaw });
  }
  for (const list of Object.values(lists)) {
    if (list === lists.endOfData) continue;
    for (const word of contentWords(list)) {
      const text =
        `restriction ${word} works in smtpd_end_of_data_restrictions only: before, there is no content`;
      problems.push({ level: "warning", parameter: list.name, text });
    }
  }
  const rules = createRules(settings, deps, restrictionDeps);
  const openSpf = spfOpener(settings, deps);
  const stages = createStages(settings, lists, rules, {
    nextInstance: instances(deps.instancePrefix ?? "0"),
    openSpf,
  });
  const judge = (list: RestrictionList) => createClientJudge(list, rules, openSpf);
  const policy: AccessPolicy = {
    open: () => stages.open(),
    acceptsAddress: (address, other, smtputf8) => acceptsAddress(rules, address, other, smtputf8),
    headerContext: createHeaderContext(restrictionDeps),
    ...(splitList(settings.dkim_signing_keys).length > 0 && {
      signs: createSigningClients(judge(signingList(settings, classes.context))),
    }),
    ...(settings.mail_authentication && {
      checksContent: createExemptClients(judge(exemptList(settings, classes.context))),
    }),
    problems,
    close: () => servers.close(),
  };
  return { policy, lists, restrictionDeps };
}

/** Opens the SPF results of sessions. */
function spfOpener({ myhostname }: AccessSettings, { dns, clock, watchSpf }: PolicyDeps): () => SenderSpf {
  const world = { resolver: dns ?? NO_DNS, clock: { now: clock, after: systemClock.after } };
  const open = () => openSenderSpf((query) => checkSpf(query, world), myhostname);
  return watchSpf === undefined ? open : () => watchSpf(open());
}

const NO_DNS: Pick<PolicyDns, "query"> = {
  query: () => Promise.resolve({ is: "trouble", why: "no resolver", retry: true }),
};

/** Names of delivery requests for policy servers, each given once. */
function instances(prefix: string): () => string {
  let last = 0;
  return () => `${prefix}.${(++last).toString(16)}`;
}

function createServers(settings: PolicyService["settings"], deps: PolicyDeps) {
  const servers = new Map<string, PolicyServer>();
  const world = { connect: deps.connect ?? platformConnect, clock: deps.clock, sleep: sleepOf(deps) };
  const watch = deps.watchServer ?? ((server: PolicyServer) => server);
  return {
    get(spec: string): PolicyServer {
      const known = servers.get(spec);
      if (known !== undefined) return known;
      const opened = openServer(spec, settings, world, watch);
      servers.set(spec, opened);
      return opened;
    },
    close(): void {
      for (const server of servers.values()) server.close();
    },
  };
}

function openServer(
  spec: string,
  settings: PolicyService["settings"],
  world: Parameters<typeof createPolicyServer>[3],
  watch: NonNullable<PolicyDeps["watchServer"]>,
): PolicyServer {
  const parsed = parsePolicySpec(spec, settings);
  if (typeof parsed === "string") return brokenServer(parsed);
  const endpoint = parseEndpoint(parsed.endpoint, settings.queue_directory);
  if (endpoint.is === "bad") return brokenServer(`bad policy service endpoint: ${spec}`);
  return watch(createPolicyServer(parsed.endpoint, endpoint.to, parsed.options, world), parsed);
}

function brokenServer(warning: string): PolicyServer {
  return { ask: () => Promise.resolve({ is: "failed", warnings: [warning] }), close: () => {} };
}

function sleepOf(deps: PolicyDeps): (seconds: number) => Promise<void> {
  return deps.sleep ?? ((seconds) => new Promise((wake) => setTimeout(wake, Math.min(seconds, DAY) * 1000)));
}

function createWorkshop(
  { settings, stressed }: PolicyService,
  deps: PolicyDeps,
  policyServer: (spec: string) => PolicyServer,
  compile: RestrictionDeps["actions"]["compile"],
): RestrictionDeps {
  const { openTables, local, router } = deps;
  const addresses = (text: string, name: string) =>
    openTables.addresses(text, { parentMatches: parentMatches(settings, name), title: name });
  return {
    settings,
    stressed,
    openTables,
    router,
    local,
    policyServer,
    dns: deps.dns,
    verifier: deps.verifier,
    find: createFindAddress(settings, local),
    lookup: {
      recipient_delimiter: settings.recipient_delimiter,
      owner_request_special: settings.owner_request_special,
      access_at_domain_keys: settings.access_at_domain_keys,
      parentMatches: parentMatches(settings, "smtpd_access_maps"),
    },
    actions: {
      rejectCode: settings.access_map_reject_code,
      deferCode: settings.access_map_defer_code,
      proxied: settings.smtpd_proxy_filter !== "",
      compile,
    },
    templates: {
      myhostname: settings.myhostname,
      smtpd_client_port_logging: settings.smtpd_client_port_logging,
      smtpd_expansion_filter: settings.smtpd_expansion_filter,
      clock: deps.clock,
    },
    mynetworks: addresses(settings.mynetworks, "mynetworks"),
    mxBackupNetworks: addresses(settings.permit_mx_backup_networks, "permit_mx_backup_networks"),
    relayDomains: openTables.domains(settings.relay_domains, {
      parentMatches: parentMatches(settings, "relay_domains"),
      title: "relay_domains",
    }),
  };
}

type ListName =
  | "smtpd_client_restrictions"
  | "smtpd_helo_restrictions"
  | "smtpd_sender_restrictions"
  | "smtpd_relay_restrictions"
  | "smtpd_recipient_restrictions"
  | "smtpd_etrn_restrictions"
  | "smtpd_data_restrictions"
  | "smtpd_end_of_data_restrictions";

function compileLists(settings: AccessSettings, context: CompileContext): Lists {
  const list = (name: ListName, check: DefaultCheck | undefined) =>
    compileList(name, settings[name], check, context);
  return {
    client: list("smtpd_client_restrictions", "check_client_access"),
    helo: list("smtpd_helo_restrictions", "check_helo_access"),
    sender: list("smtpd_sender_restrictions", "check_sender_access"),
    relay: list("smtpd_relay_restrictions", "check_recipient_access"),
    recipient: list("smtpd_recipient_restrictions", "check_recipient_access"),
    etrn: list("smtpd_etrn_restrictions", "check_etrn_access"),
    data: list("smtpd_data_restrictions", undefined),
    endOfData: list("smtpd_end_of_data_restrictions", undefined),
  };
}

function exemptList(settings: AccessSettings, context: CompileContext) {
  const name = "mail_authentication_exempt";
  return compileList(name, settings[name], "check_client_access", context);
}

function signingList(settings: AccessSettings, context: CompileContext) {
  return compileList("dkim_signing_clients", settings.dkim_signing_clients, "check_client_access", context);
}

function createRules(
  settings: AccessSettings,
  deps: PolicyDeps,
  restrictionDeps: RestrictionDeps,
): WalkRules {
  const unlisted = createUnlisted(restrictionDeps);
  const logged = deps.openTables.domains(settings.smtpd_log_access_permit_actions, {
    parentMatches: false,
    exact: true,
    title: "smtpd_log_access_permit_actions",
  });
  const guards = [
    permitMynetworks(restrictionDeps, "permit_mynetworks"),
    permitSaslAuthenticated(restrictionDeps, "permit_sasl_authenticated"),
    refuseUnauthDestination(restrictionDeps, "reject"),
  ];
  return {
    softBounce: settings.soft_bounce,
    unlisted,
    mayRelay: (query) =>
      then(
        inTurn(guards, (guard) =>
          then(guard(query), (verdict) => verdict.is === "dunno" ? undefined : verdict)),
        (verdict) =>
          verdict?.is === "reject" ? verdict : DUNNO,
      ),
    sleep: sleepOf(deps),
    resolve: (other, address) => deps.router.resolve(other ?? "", address),
    logsPermit: logged === undefined
      ? undefined
      : (action) => then(logged.matches(action), (match) => match.is === "yes"),
  };
}

const BEYOND_ASCII = /[^\x00-\x7f]/;

/** What the resolver thinks of the syntax; without SMTPUTF8 the domain has to be ASCII (smtpd_check_addr). */
function acceptsAddress(
  rules: WalkRules,
  address: string,
  other: string | undefined,
  smtputf8: boolean,
): MaybeAsync<boolean> {
  if (address === "") return true;
  return then(rules.resolve(other, address), (resolution: Resolution) => {
    if (resolution.is === "trouble") return true;
    if (resolution.malformed) return false;
    const domain = resolution.recipient.slice(resolution.recipient.lastIndexOf("@") + 1);
    return smtputf8 || !BEYOND_ASCII.test(domain);
  });
}
