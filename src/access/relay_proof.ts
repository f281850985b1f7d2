import type { LocalDomains } from "../rewrite/local_domains.ts";
import type { Shelf } from "../rewrite/shelf.ts";
import { parentMatches } from "../rewrite/shelf.ts";
import type { Router } from "../routing/route.ts";
import type { AddressList } from "../table/match_list.ts";
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
import { type ListNature, together, type Way, waysThrough } from "./relay_ways.ts";
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
/** Pairs of ways that are tried. */
const MOST_PAIRS = 400;

const NO_PROOF: RelayProof = { witnesses: [], doubts: [], loosely: [], surely: [] };

/**
 * Proves that no stranger relays through a service, or finds a session in which one does. Nothing in the result means: every
 * way through the restriction lists has a refusal on it for him.
 */
export async function proveRelay(service: PolicyService, deps: ProofDeps): Promise<RelayProof> {
  const parts = assemble(service, deps);
  try {
    return await prove(parts, service, deps);
  } finally {
    parts.policy.close();
  }
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
  const ways = pairs(parts, service, ground);
  const found = await judge(ways, parts, ground, deps);
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

/** Both lists have to let a recipient pass, and none of the others may always refuse. */
function pairs({ lists }: AccessParts, { settings }: PolicyService, ground: Ground): Pair[] {
  const forRecipients: ListNature = { knowsRecipient: true, defers: true };
  const relay = waysThrough(lists.relay, forRecipients, ground);
  if (relay.length === 0) return [];
  const recipient = waysThrough(lists.recipient, forRecipients, ground);
  if (recipient.length === 0) return [];
  const others: [RestrictionList, ListNature][] = [
    [lists.client, { knowsRecipient: settings.smtpd_delay_reject, defers: false }],
    [lists.sender, { knowsRecipient: settings.smtpd_delay_reject, defers: false }],
    [lists.data, { knowsRecipient: false, defers: true }],
    [lists.endOfData, { knowsRecipient: false, defers: true }],
  ];
  if (settings.smtpd_helo_required) {
    others.push([lists.helo, { knowsRecipient: settings.smtpd_delay_reject, defers: false }]);
  }
  if (others.some(([list, nature]) => waysThrough(list, nature, ground).length === 0)) return [];
  return relay.flatMap((first) => recipient.map((second) => both(first, second)));
}

/** A way through both lists. */
type Pair = Way & { readonly passes: readonly string[] };

function both(relay: Way, recipient: Way): Pair {
  const way = together(relay, recipient);
  return {
    ...way,
    fix: recipient.fix,
    passes: [
      `smtpd_relay_restrictions: ${relay.through}`,
      `smtpd_recipient_restrictions: ${recipient.through}`,
    ],
  };
}

async function judge(
  ways: readonly Pair[],
  parts: AccessParts,
  ground: Ground,
  deps: ProofDeps,
): Promise<RelayProof> {
  const by = (certainty: Way["certainty"]) => ways.filter((way) => way.certainty === certainty);
  const witnesses: Witness[] = [];
  const unconfirmed: string[] = [];
  for (const pair of by("open").slice(0, MOST_PAIRS)) {
    const attempt = await confirmed(pair.wants, parts, ground, deps);
    if (attempt === undefined) unconfirmed.push(words(pair));
    else witnesses.push({ attempt, through: pair.passes, fix: pair.fix });
    if (witnesses.length >= MOST_WITNESSES) break;
  }
  const loosely: string[] = [];
  for (const pair of by("loosely").slice(0, MOST_PAIRS)) {
    const passes = pair.untried ?? await confirmed(pair.wants, parts, ground, deps) !== undefined;
    if (passes) loosely.push(words(pair));
  }
  return {
    witnesses,
    doubts: witnesses.length > 0 ? [] : [...unconfirmed, ...by("unknown").map(words)],
    loosely,
    surely: by("surely").map(words),
  };
}

function words({ passes }: Pair): string {
  return passes.join("; ");
}

/** The first session on a way that is taken, and that reaches somebody who is none of ours. */
async function confirmed(
  wants: readonly Want[],
  { policy }: AccessParts,
  { stranger, foreign, wideRecipient }: Ground,
  { router }: ProofDeps,
): Promise<Attempt | undefined> {
  for (const want of wants) {
    for (const attempt of attempts(stranger, want, foreign)) {
      const { sender, recipient } = attempt.facts;
      const resolution = await router.resolve(sender, recipient);
      if (resolution.is !== "resolved") continue;
      if (resolution.class !== "default" && recipient !== wideRecipient) continue;
      if (await isTaken(policy, attempt)) return attempt;
    }
  }
  return undefined;
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
    const attempt = await confirmed([want], parts, ground, deps);
    if (attempt === undefined) continue;
    const through = [`${name}: ${address} is in it, and may claim to be any client`];
    const fix = `name the addresses of your proxies in ${name}`;
    return [{ attempt, through, fix, claims: { address } }];
  }
  return [];
}
