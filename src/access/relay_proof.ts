import { isPromise } from "../base/maybe_async.ts";
import type { LocalDomains } from "../rewrite/local_domains.ts";
import type { Shelf } from "../rewrite/shelf.ts";
import { parentMatches } from "../rewrite/shelf.ts";
import type { Router } from "../routing/route.ts";
import type { AddressList } from "../table/match_list.ts";
import type { AccessPolicy } from "./policy.ts";
import { type AccessParts, assembleAccess, type PolicyService } from "./create_policy.ts";
import { type Ground, PUBLIC_V4, PUBLIC_V6 } from "./relay_openings.ts";
import {
  type Attempt,
  attempts,
  FAVOURABLE_VERIFIER,
  favourableDns,
  isTaken,
  SILENT_SERVER,
  type Stranger,
} from "./relay_session.ts";
import { type ListNature, RANK, together, type Way, waysThrough } from "./relay_ways.ts";
import type { RestrictionList } from "./restriction.ts";
import type { Want } from "./stranger.ts";

/** A session in which a stranger relays: it has been played through the policy. */
export interface Witness {
  readonly attempt: Attempt;
  /** How the relay and the recipient restrictions let it through. */
  readonly through: readonly string[];
  readonly fix: string;
  /** It needs XCLIENT: the client says that it is somebody else. */
  readonly claims?: { readonly address: string };
}

/** What is known about strangers and relaying. */
export interface RelayProof {
  /** Sessions that relay. */
  readonly witnesses: readonly Witness[];
  /** Ways in that nobody can judge beforehand, or that could not be confirmed or ruled out. */
  readonly doubts: readonly string[];
  /** Ways in that the operator has opened by name, in words that deserve a second look; each has been tried. */
  readonly loosely: readonly string[];
  /** Ways in for clients and domains that the operator has named. */
  readonly surely: readonly string[];
}

/** What the proof is made with. */
export interface ProofDeps {
  readonly router: Router;
  readonly local: LocalDomains;
  /** Of tables in process only: what others would answer is not known beforehand. */
  readonly shelf: Shelf;
  readonly clock: () => number;
  /** Milliseconds for reading tables; 150 when left out. */
  readonly patience?: number;
}

const PATIENCE = 150;
/** Witnesses that are shown; one is enough to refuse. */
const MOST_WITNESSES = 3;
/** Ways that are tried. */
const MOST_TRIED = 400;

const NO_PROOF: RelayProof = { witnesses: [], doubts: [], loosely: [], surely: [] };

/**
 * Proves that no stranger relays through a service, or finds a session in which one does. Nothing in the result means: every
 * way through the restriction lists has a refusal on it for him.
 */
export async function proveRelay(service: PolicyService, deps: ProofDeps): Promise<RelayProof> {
  const { prove, policy } = assembleProof(service, deps);
  try {
    return await prove();
  } finally {
    policy.close();
  }
}

/** The proof before it is made, and the policy that its sessions are played through: the server's, in a favourable world. */
export function assembleProof(
  service: PolicyService,
  deps: ProofDeps,
): { readonly policy: AccessPolicy; prove(): Promise<RelayProof> } {
  const parts = assemble(service, deps);
  return { policy: parts.policy, prove: () => prove(parts, service, deps) };
}

function assemble(service: PolicyService, deps: ProofDeps): AccessParts {
  const { router, local, shelf, clock } = deps;
  return assembleAccess(service, {
    router,
    local,
    shelf,
    clock,
    dns: favourableDns(strangerAt(ADDRESSES[0])),
    verifier: FAVOURABLE_VERIFIER,
    sleep: () => Promise.resolve(),
    watchServer: () => SILENT_SERVER,
  });
}

async function prove(parts: AccessParts, service: PolicyService, deps: ProofDeps): Promise<RelayProof> {
  const ground = await layGround(parts, deps);
  const claimed = await claims(parts, service, ground, deps);
  if (ground.foreign === "") return { ...NO_PROOF, witnesses: claimed };
  const found = await judge(routes(parts, service, ground), parts, ground, deps);
  return { ...found, witnesses: [...claimed, ...found.witnesses] };
}

/** Addresses for documentation (RFC 5737, RFC 3849): nobody's, until somebody trusts the whole internet. */
const ADDRESSES = ["198.51.100.77", "203.0.113.77", "192.0.2.77"] as const;
/** Parts of the internet that somebody may still know by name. */
const KNOWN_V4 = 16;
const KNOWN_V6 = 1;

function strangerAt(address: string): Stranger {
  return { address, name: "mail.stranger.example", domain: "stranger.example" };
}

async function layGround({ shop }: AccessParts, deps: ProofDeps): Promise<Ground> {
  const { router, clock, patience = PATIENCE } = deps;
  const end = clock() + patience;
  const address = await firstOutside(shop.mynetworks);
  const { foreign, wideRecipient } = await foreignRecipients(router);
  return {
    shop,
    stranger: strangerAt(address ?? ADDRESSES[0]),
    foreign,
    wideRecipient,
    wideClient: await wideAddress(shop.mynetworks),
    isOurs: oursBy(router),
    atDomainCounts: false,
    hasTime: () => clock() < end,
  };
}

async function has(list: AddressList | undefined, address: string): Promise<boolean> {
  return list !== undefined && (await list.matches(address, "unknown")).is === "yes";
}

async function firstOutside(mynetworks: AddressList | undefined): Promise<string | undefined> {
  for (const address of ADDRESSES) if (!await has(mynetworks, address)) return address;
  return undefined;
}

/** An address that mynetworks has together with more of the internet than anybody can know. */
async function wideAddress(list: AddressList | undefined): Promise<string | undefined> {
  for (const [sample, known] of [[PUBLIC_V4, KNOWN_V4], [PUBLIC_V6, KNOWN_V6]] as const) {
    const inside: string[] = [];
    for (const address of sample) if (await has(list, address)) inside.push(address);
    if (inside.length > known) return inside[0];
  }
  return undefined;
}

/** Whether we are a destination for a recipient; asked once for each domain, as tables of recipients are long. */
function oursBy(router: Router): (recipient: string) => boolean {
  const known = new Map<string, boolean>();
  return (recipient) => {
    const domain = recipient.slice(recipient.lastIndexOf("@") + 1);
    const before = known.get(domain);
    if (before !== undefined) return before;
    const resolution = router.resolve("", `someone@${domain}`);
    const ours = !isPromise(resolution) && resolution.is === "resolved" && resolution.class !== "default";
    known.set(domain, ours);
    return ours;
  };
}

/** Second-level names that are nobody's, in domains that a list may have by its top level. */
const DOMAINS = ["elsewhere.example", "foreign.example", "far-away.example"]
  .concat(
    ["com", "net", "org", "info", "de", "uk", "fr", "cn", "ru", "jp", "br", "in"].map((top) =>
      `relay-witness-7c1.${top}`
    ),
  );

/** A recipient who is none of ours; and one in somebody's domain that relay_domains has all the same. */
async function foreignRecipients(
  router: Router,
): Promise<{ readonly foreign: string; readonly wideRecipient: string | undefined }> {
  let foreign = "";
  let wideRecipient: string | undefined;
  for (const domain of DOMAINS) {
    const recipient = `victim@${domain}`;
    const resolution = await router.resolve("", recipient);
    if (resolution.is !== "resolved" || resolution.malformed) continue;
    if (resolution.class === "default" && foreign === "") foreign = recipient;
    if (resolution.class === "relay") wideRecipient ??= recipient;
  }
  return { foreign: foreign === "" ? wideRecipient ?? "" : foreign, wideRecipient };
}

/** A way through all lists. */
type Route = Way & { readonly passes: readonly string[] };

/** Ways through all lists that are kept. */
const MOST_ROUTES = 4000;

/** Both lists for recipients have to let him pass, and of the others those that refuse whoever comes to their end. */
function routes({ lists }: AccessParts, { settings }: PolicyService, ground: Ground): Route[] {
  // whoever may relay anyway, may by an @domain key, too
  const atDomainCounts = ground.wideClient !== undefined || ground.wideRecipient !== undefined;
  const forRecipients: ListNature = { knowsRecipient: true, defers: true, atDomainCounts };
  const relay = waysThrough(lists.relay, forRecipients, ground);
  if (relay.length === 0) return [];
  const recipient = waysThrough(lists.recipient, forRecipients, ground);
  const through = relay.map((way) => routeBy("smtpd_relay_restrictions", way));
  let all = across(through, "smtpd_recipient_restrictions", recipient);
  for (const [list, nature] of otherLists(lists, settings)) {
    if (all.length === 0) return [];
    const ways = waysThrough(list, nature, ground);
    if (!ways.some(({ demands }) => !demands)) all = across(all, list.name, ways);
  }
  return all;
}

function otherLists(
  lists: AccessParts["lists"],
  settings: PolicyService["settings"],
): readonly (readonly [RestrictionList, ListNature])[] {
  const before: ListNature = {
    knowsRecipient: settings.smtpd_delay_reject,
    defers: false,
    atDomainCounts: true,
  };
  const after: ListNature = { knowsRecipient: false, defers: true, atDomainCounts: true };
  return [
    [lists.client, before],
    ...(settings.smtpd_helo_required ? [[lists.helo, before] as const] : []),
    [lists.sender, before],
    [lists.data, after],
    [lists.endOfData, after],
  ];
}

function routeBy(list: string, way: Way): Route {
  return { ...way, passes: [`${list}: ${way.through}`] };
}

function across(routes: readonly Route[], list: string, ways: readonly Way[]): Route[] {
  return routes.flatMap((route) =>
    ways.map((way) => ({
      ...together(route, way),
      fix: list === "smtpd_recipient_restrictions" ? way.fix : route.fix,
      passes: [...route.passes, `${list}: ${way.through}`],
    }))
  ).sort((a, b) => RANK[a.certainty] - RANK[b.certainty]).slice(0, MOST_ROUTES);
}

async function judge(
  all: readonly Route[],
  parts: AccessParts,
  ground: Ground,
  deps: ProofDeps,
): Promise<RelayProof> {
  const by = (certainty: Way["certainty"]) => all.filter((way) => way.certainty === certainty);
  const witnesses: Witness[] = [];
  const unconfirmed: string[] = [];
  for (const [at, route] of by("open").entries()) {
    if (at >= MOST_TRIED) unconfirmed.push(words(route));
    if (at >= MOST_TRIED) break;
    const { taken } = await tried(route.wants, parts, ground, deps);
    if (taken === undefined) unconfirmed.push(words(route));
    else witnesses.push({ attempt: taken, through: route.passes, fix: route.fix });
    if (witnesses.length >= MOST_WITNESSES) break;
  }
  const loosely: string[] = [];
  for (const [at, route] of by("loosely").entries()) {
    if (at >= MOST_TRIED) loosely.push(words(route));
    if (at >= MOST_TRIED) break;
    const { taken, foreign } = await tried(route.wants, parts, ground, deps);
    if (taken !== undefined || route.untried) loosely.push(words(route));
    else if (foreign) unconfirmed.push(words(route));
  }
  return {
    witnesses,
    doubts: witnesses.length > 0 ? [] : [...unconfirmed, ...by("unknown").map(words)],
    loosely,
    surely: by("surely").map(words),
  };
}

function words({ passes }: Route): string {
  return passes.join("; ");
}

/** What came of the sessions on a way: the first that is taken, and whether any was for somebody who is none of ours. */
async function tried(
  wants: readonly Want[],
  { policy }: AccessParts,
  { stranger, foreign: anybody, wideRecipient }: Ground,
  { router }: ProofDeps,
): Promise<{ readonly taken?: Attempt; readonly foreign: boolean }> {
  let foreign = false;
  for (const want of wants) {
    for (const attempt of attempts(stranger, want, anybody)) {
      const { sender, recipient } = attempt.facts;
      const resolution = await router.resolve(sender, recipient);
      if (resolution.is !== "resolved") continue;
      if (resolution.class !== "default" && recipient !== wideRecipient) continue;
      foreign = true;
      if (await isTaken(policy, attempt)) return { taken: attempt, foreign };
    }
  }
  return { foreign };
}

/** Whoever may use XCLIENT says that he is anybody: where strangers may, they are in mynetworks and logged in. */
async function claims(
  parts: AccessParts,
  { settings }: PolicyService,
  ground: Ground,
  deps: ProofDeps,
): Promise<Witness[]> {
  const name = "smtpd_authorized_xclient_hosts";
  const list = deps.shelf.addresses(settings[name], {
    parentMatches: parentMatches(settings, name),
    title: name,
  });
  const { stranger } = ground;
  const address = await has(list, stranger.address) ? stranger.address : await wideAddress(list);
  if (address === undefined) return [];
  for (const client of ["127.0.0.1", "::1"]) {
    const want: Want = {
      client: { address: client, name: "localhost" },
      saslUsername: "anybody",
      saslMethod: "XCLIENT",
    };
    const { taken: attempt } = await tried([want], parts, ground, deps);
    if (attempt === undefined) continue;
    const through = [`${name}: ${address} is in it, and may claim to be any client`];
    const fix = `name the addresses of your proxies in ${name}`;
    return [{ attempt, through, fix, claims: { address } }];
  }
  return [];
}
