import type { PolicyReply, PolicyServer } from "../../access/policy_server.ts";
import type { PolicySpec } from "../../access/restrictions/policy_service.ts";
import type { SenderSpf } from "../../access/sender_spf.ts";
import type { AddressVerifier, Verification } from "../../access/verifier.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { Hosts } from "../../dns/hosts.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { Router } from "../../routing/route.ts";
import type { OpenTable } from "../../table/context.ts";
import type { AddressList, DomainList, Match } from "../../table/search/match_list.ts";
import type { Answer, Table } from "../../table/table.ts";
import type { Lookup } from "../explanation.ts";
import type { Recorder } from "./recorder.ts";
import type { SourceFiles } from "../source_files.ts";

/** What stands between the server's parts and the world, to see every question; the parts know nothing of it. */
export interface Watch {
  open(open: OpenTable): OpenTable;
  openTables(openTables: OpenTables): OpenTables;
  resolver(resolver: Resolver): Resolver;
  hosts(hosts: Hosts): Hosts;
  router(router: Router): Router;
  server(server: PolicyServer, spec: PolicySpec): PolicyServer;
  spf(spf: SenderSpf): SenderSpf;
  /** Answers from what probes have found, if anything, and sends none. */
  verifier(known: AddressVerifier["known"] | undefined): AddressVerifier;
}

/** Lists that are asked for the log's or the listener's sake, not for a decision. */
const NOT_SHOWN = new Set(["smtpd_log_access_permit_actions"]);

type Hear = (lookup: Lookup) => void;

/** Tells of an answer when it is there. */
function heard<T>(answer: MaybeAsync<T>, tell: (answer: T) => void): MaybeAsync<T> {
  if (isPromise(answer)) return answer.then((late) => (tell(late), late));
  tell(answer);
  return answer;
}

/** A table that tells what it is asked, with the line of its source that answered. */
function watchTable(table: Table, hear: Hear, sources: SourceFiles): Table {
  const { spec } = table;
  const tell = (key: string) => (answer: Answer) => {
    const asked = { kind: "table", source: spec, key } as const;
    if (answer.is === "absent") return hear(asked);
    if (answer.is === "trouble") return hear({ ...asked, trouble: answer.why });
    const line = answer.line ?? table.lineOf?.(key);
    const file = sources.of(spec)?.path;
    const place = line === undefined || file === undefined ? {} : { file, line };
    hear({ ...asked, answer: answer.value, ...place });
  };
  return {
    spec,
    pattern: table.pattern,
    lookup: (key) => heard(table.lookup(key), tell(key)),
    close: () => table.close(),
  };
}

/** Opens tables that tell what they are asked. */
export function watchTables(open: OpenTable, hear: Hear, sources: SourceFiles): OpenTable {
  return (spec, context) => watchTable(open(spec, context), hear, sources);
}

function tellMatch(hear: Hear, source: string, key: string): (match: Match) => void {
  return (match) => {
    const asked = { kind: "list", source, key } as const;
    if (match.is === "trouble") return hear({ ...asked, trouble: match.why });
    if (match.by === undefined) return hear(asked);
    const { item, file, line } = match.by;
    hear({
      ...asked,
      answer: item,
      ...(file !== undefined && { file }),
      ...(line !== undefined && { line }),
    });
  };
}

/** Open tables whose lists tell what they are asked; its tables do already. */
function watchOpenTables(openTables: OpenTables, hear: Hear): OpenTables {
  const domains = (list: DomainList, title: string): DomainList => ({
    isEmpty: list.isEmpty,
    matches: (domain) => heard(list.matches(domain), tellMatch(hear, title, domain)),
    close: () => list.close(),
  });
  const addresses = (list: AddressList, title: string): AddressList => ({
    isEmpty: list.isEmpty,
    matches: (address, name) => {
      const key = name === undefined || name === "unknown" ? address : `${name}[${address}]`;
      return heard(list.matches(address, name), tellMatch(hear, title, key));
    },
    close: () => list.close(),
  });
  return {
    table: (spec) => openTables.table(spec),
    maps: (text, title) => openTables.maps(text, title),
    paranoid: openTables.paranoid,
    domains(text, options) {
      const list = openTables.domains(text, options);
      const title = options.title ?? "list";
      return list === undefined || NOT_SHOWN.has(title) ? list : domains(list, title);
    },
    addresses(text, options) {
      const list = openTables.addresses(text, options);
      return list === undefined ? list : addresses(list, options.title ?? "list");
    },
    close: () => openTables.close(),
  };
}

/** A router that tells what class an address is of and where its mail would go. */
function watchRouter(router: Router, hear: Hear): Router {
  return {
    route: (sender, recipient) => router.route(sender, recipient),
    isLocal: (domain) => router.isLocal(domain),
    resolve: (sender, recipient) =>
      heard(router.resolve(sender, recipient), (resolution) => {
        const asked = { kind: "class", source: "address class", key: recipient } as const;
        if (resolution.is === "trouble") return hear({ ...asked, trouble: resolution.why });
        if (resolution.malformed) return hear({ ...asked, answer: "no address that mail could go to" });
        const { class: kind, transport, nexthop, routed, recipient: final } = resolution;
        const renamed = final === recipient ? "" : ` as ${final}`;
        const onward = routed ? "; it would be routed on from here" : "";
        hear({ ...asked, answer: `${kind}${renamed} (${transport}:${nexthop})${onward}` });
      }),
  };
}

/** How policy servers are asked. */
export interface PolicyQuestions {
  /** False: they are not. */
  readonly ask: boolean;
  /** What they have answered. */
  readonly answers: Map<string, PolicyReply>;
  /** The session is played again: what has been answered is not asked twice. */
  readonly again: boolean;
}

/** Puts the watches together that need nothing but the recorder. */
export function createWatch(
  recorder: Recorder,
  policy: PolicyQuestions,
): Omit<Watch, "open" | "resolver" | "hosts"> {
  const hear: Hear = (lookup) => recorder.note(lookup);
  return {
    openTables: (openTables) => watchOpenTables(openTables, hear),
    router: (router) => watchRouter(router, hear),
    server: (server, spec) =>
      policy.ask ? askedServer(server, spec, policy, hear) : silentServer(spec, recorder),
    spf: (spf) => watchSpf(spf, hear),
    verifier: (known) => knowingVerifier(known, recorder),
  };
}

const attributes = (request: string) => request.split("\n").filter((line) => line !== "");

function askedServer(
  server: PolicyServer,
  { endpoint }: PolicySpec,
  { answers, again }: PolicyQuestions,
  hear: Hear,
): PolicyServer {
  return {
    async ask(request) {
      const question = `${endpoint}\n${request.replace(/^instance=.*$/m, "")}`;
      const known = again ? answers.get(question) : undefined;
      const reply = known ?? await server.ask(request);
      answers.set(question, reply);
      const asked = {
        kind: "policy",
        source: endpoint,
        key: "policy query",
        request: attributes(request),
      } as const;
      if (reply.is === "action") hear({ ...asked, answer: reply.action });
      else hear({ ...asked, trouble: reply.warnings.at(-1) ?? "no answer" });
      return reply;
    },
    close: () => server.close(),
  };
}

/** Stands in for a server that is not asked: it has no objection. */
function silentServer({ endpoint, defaultAction }: PolicySpec, recorder: Recorder): PolicyServer {
  return {
    ask(request) {
      recorder.note({
        kind: "policy",
        source: endpoint,
        key: "policy query",
        answer: "not asked; DUNNO is assumed",
        request: attributes(request),
      });
      recorder.assume(
        `policy server ${endpoint} was not asked (--ask-policy asks it): DUNNO is assumed; ` +
          `without an answer of it the server would do "${defaultAction}"`,
      );
      return Promise.resolve({ is: "action", action: "DUNNO" });
    },
    close: () => {},
  };
}

/** SPF results that tell of themselves whoever asks, though they are looked up once. */
function watchSpf(spf: SenderSpf, hear: Hear): SenderSpf {
  return {
    begin: () => spf.begin(),
    of(facts) {
      const result = spf.of(facts);
      if (result === undefined) return undefined;
      return heard(result, ({ is, domain, mechanism, why }) => {
        const by = mechanism === undefined ? "" : ` by ${mechanism}`;
        const answer = `${is}${by}${why === undefined ? "" : `: ${why}`}`;
        hear({ kind: "spf", source: "SPF", key: `${domain} for ${facts.client.address}`, answer });
      });
    },
  };
}

/** What a session is told while the first probe for an address is out (verify(8)). */
const IN_PROGRESS = "Address verification in progress";

function knowingVerifier(known: AddressVerifier["known"] | undefined, recorder: Recorder): AddressVerifier {
  const ask = (address: string): Verification | undefined => {
    const found = known?.(address);
    const asked = { kind: "verify", source: "address verification", key: address } as const;
    if (found === undefined) recorder.note(asked);
    else recorder.note({ ...asked, answer: "why" in found ? `${found.is}: ${found.why}` : found.is });
    return found;
  };
  return {
    known: ask,
    verify(address) {
      const found = ask(address);
      if (found !== undefined) return found;
      const where = known === undefined ? "; what the running service has found out, --running tells" : "";
      recorder.assume(`no probe was sent for ${address}: the answer is that of a first session${where}`);
      return { is: "unknown", why: IN_PROGRESS };
    },
  };
}

/** A hosts file that tells of the entries it had. */
export function watchHosts(hosts: Hosts, hear: Hear): Hosts {
  return {
    addresses(name) {
      const found = hosts.addresses(name);
      if (found.length > 0) {
        const answer = found.map(({ address }) => address).join(" ");
        hear({ kind: "hosts", source: "/etc/hosts", key: name, answer });
      }
      return found;
    },
    name(address) {
      const answer = hosts.name(address);
      if (answer !== undefined) hear({ kind: "hosts", source: "/etc/hosts", key: address, answer });
      return answer;
    },
  };
}
