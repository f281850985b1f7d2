import { isPromise } from "../../base/maybe_async.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { AddressClass, Router } from "../../routing/route.ts";
import type { AddressList } from "../../table/search/match_list.ts";
import type { OutsideClient } from "./relay_session.ts";
import type { Stated } from "../restriction.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

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
  /** An address that mynetworks trusts with a good part of the internet. */
  readonly wideClient: string | undefined;
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

/** An address in each part of the internet that registries have handed out. */
export const PUBLIC_V4: readonly string[] = Array.from({ length: 223 }, (_, at) => at + 1)
  .filter((octet) => ![10, 100, 127].includes(octet)).map((octet) => `${octet}.77.77.77`);
/** One address in the part of each registry (IPv6). */
export const PUBLIC_V6: readonly string[] = ["2001", "2400", "2600", "2800", "2a00", "2c00"].map((head) =>
  `${head}:77::77`
);

/** Addresses for documentation (RFC 5737, RFC 3849): nobody's, until somebody trusts the whole internet. */
export const ADDRESSES = ["198.51.100.77", "203.0.113.77", "192.0.2.77"] as const;
/** Parts of the internet that somebody may still know by name. */
const KNOWN_V4 = 16;
const KNOWN_V6 = 1;

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
  const address = await firstOutside(restrictionDeps.mynetworks);
  const { foreign, wideRecipient, untold } = await foreignRecipients(router);
  return {
    restrictionDeps,
    outsider: outsideClientAt(address ?? ADDRESSES[0]),
    foreign,
    untold,
    wideRecipient,
    wideClient: await wideAddress(restrictionDeps.mynetworks),
    isOurs: oursBy(router, wideRecipient !== undefined),
    atDomainCounts: false,
    namedRecipient: deps.domainsUnknown === true ? "surely" : "loosely",
    hasTime: () => clock() < end,
  };
}

/** Whether a list has an address. */
export async function has(list: AddressList | undefined, address: string): Promise<boolean> {
  return list !== undefined && (await list.matches(address, "unknown")).is === "yes";
}

async function firstOutside(mynetworks: AddressList | undefined): Promise<string | undefined> {
  for (const address of ADDRESSES) if (!await has(mynetworks, address)) return address;
  return undefined;
}

/** An address that mynetworks has together with more of the internet than anybody can know. */
export async function wideAddress(list: AddressList | undefined): Promise<string | undefined> {
  for (const [sample, known] of [[PUBLIC_V4, KNOWN_V4], [PUBLIC_V6, KNOWN_V6]] as const) {
    const inside: string[] = [];
    for (const address of sample) if (await has(list, address)) inside.push(address);
    if (inside.length > known) return inside[0];
  }
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
