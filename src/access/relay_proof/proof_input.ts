import { isPromise } from "../../base/maybe_async.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { AddressClass, Router } from "../../routing/route.ts";
import type { AddressList } from "../../table/search/match_list.ts";
import type { OutsideClient } from "./relay_session.ts";
import type { Stated, Want } from "../restriction.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";
import { has, TOP_LEVELS, wideClient } from "./wide_networks.ts";

/** What the proof is made with. */
export interface ProofDeps {
  readonly router: Router;
  readonly local: LocalDomains;
  /** Of tables in process only: what others would answer is not known beforehand. */
  readonly openTables: OpenTables;
  readonly clock: () => number;
  /** Which domains are ours stands in tables that are not asked: a domain that seems foreign may be one of them. */
  readonly domainsUnknown?: boolean;
  /** Milliseconds for reading tables; a second when left out. */
  readonly timeLimit?: number;
}

const TIME_LIMIT = 1000;

/** What the proof stands on: the policy's parts, a stranger, and what is foreign to us. */
export interface ProofInput {
  readonly restrictionDeps: RestrictionDeps;
  readonly outsider: OutsideClient;
  /** A recipient whom we are no destination for; "" when there is none, or none can be told from ours. */
  readonly foreign: string;
  /** Why none can be told from ours. */
  readonly untold: string | undefined;
  /** A client that mynetworks trusts, and that may be anybody. */
  readonly wideClient: Want["client"];
  /** A recipient in somebody else's domain, which relay_domains has with a good part of all domains. */
  readonly wideRecipient: string | undefined;
  /** Whether a permit from an `@domain` key counts: in the lists for recipients it is no leave to relay (access_at_domain_keys). */
  readonly atDomainCounts: boolean;
  /** What a foreign domain in a recipient table is worth: where ours are not all known it is not held against anybody. */
  readonly namedRecipient: Stated;
  /** Whether we are a destination for a recipient. */
  isOurs(recipient: string): boolean;
  /** False when the time for reading tables is over. */
  hasTime(): boolean;
}

/** Addresses for documentation (RFC 5737, RFC 3849): nobody's, until somebody trusts the whole internet. */
export const ADDRESSES = ["198.51.100.77", "203.0.113.77", "192.0.2.77"] as const;
/** The stranger at an address. */
export function outsideClientAt(address: string): OutsideClient {
  return { address, name: "mail.stranger.example", domain: "stranger.example" };
}

/** Finds out who is a stranger to this configuration, and who is foreign to it. */
export async function gatherProofInput(
  restrictionDeps: RestrictionDeps,
  deps: ProofDeps,
): Promise<ProofInput> {
  const { router, clock, timeLimit = TIME_LIMIT } = deps;
  const end = clock() + timeLimit;
  const hasTime = () => clock() < end;
  const { mynetworks, settings } = restrictionDeps;
  const address = await firstOutside(mynetworks);
  const { foreign, wideRecipient, untold } = await foreignRecipients(router);
  const outsider = outsideClientAt(address ?? ADDRESSES[0]);
  return {
    restrictionDeps,
    outsider,
    foreign,
    untold,
    wideRecipient,
    wideClient: await wideClient(
      { list: mynetworks, text: settings.mynetworks, named: settings.smtpd_peername_lookup },
      restrictionDeps.openTables,
      outsider,
      hasTime,
    ),
    isOurs: oursBy(router, wideRecipient !== undefined),
    atDomainCounts: false,
    namedRecipient: deps.domainsUnknown === true ? "surely" : "loosely",
    hasTime,
  };
}

async function firstOutside(mynetworks: AddressList | undefined): Promise<string | undefined> {
  for (const address of ADDRESSES) if (!await has(mynetworks, address)) return address;
  return undefined;
}

/**
 * Whether we are a destination for a recipient; asked once for each domain, as tables of recipients are long. Where relay_domains has
 * everything it says nothing of anybody.
 */
function oursBy(router: Router, relaysAll: boolean): (recipient: string) => boolean {
  const known = new Map<string, boolean>();
  return (recipient) => {
    const domain = recipient.slice(recipient.lastIndexOf("@") + 1);
    const before = known.get(domain);
    if (before !== undefined) return before;
    const resolution = router.resolve("", `someone@${domain}`);
    const ours = !isPromise(resolution) && resolution.is === "resolved" && isOwn(resolution.class, relaysAll);
    known.set(domain, ours);
    return ours;
  };
}

/** Whether mail of a class is for us, or for somebody we relay for by name. */
export function isOwn(kind: AddressClass, relaysAll: boolean): boolean {
  return kind !== "default" && (kind !== "relay" || !relaysAll);
}

/** Second-level names that are nobody's. */
const DOMAINS: readonly string[] = [
  ...["elsewhere.example", "foreign.example", "far-away.example"],
  ...TOP_LEVELS.map((top) => `relay-witness-7c1.${top}`),
];

/** A recipient who is none of ours; and one in somebody's domain that relay_domains has all the same. */
async function foreignRecipients(
  router: Router,
): Promise<Pick<ProofInput, "foreign" | "untold" | "wideRecipient">> {
  let foreign = "";
  let wideRecipient: string | undefined;
  let trouble: string | undefined;
  for (const domain of DOMAINS) {
    const recipient = `victim@${domain}`;
    const resolution = await router.resolve("", recipient);
    if (resolution.is === "trouble") trouble ??= resolution.why;
    if (resolution.is !== "resolved" || resolution.malformed) continue;
    if (resolution.class === "default" && foreign === "") foreign = recipient;
    if (resolution.class === "relay") wideRecipient ??= recipient;
  }
  if (foreign === "") foreign = wideRecipient ?? "";
  return { foreign, wideRecipient, untold: foreign === "" ? trouble : undefined };
}
