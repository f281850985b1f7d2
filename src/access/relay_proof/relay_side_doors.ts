import { splitList } from "../../config/syntax/list.ts";
import { type OpenTables, parentMatches } from "../../rewrite/open_tables.ts";
import type { Table } from "../../table/table.ts";
import type { AccessParts, PolicyService } from "../create_policy.ts";
import type { ProofDeps, ProofInput } from "./proof_input.ts";
import { has, wideClient } from "./wide_networks.ts";
import { attempts, isTaken } from "./relay_session.ts";
import { tried, type Witness } from "./relay_trial.ts";
import type { Want } from "../restriction.ts";

/** Spellings of a foreign address that name one of our domains last (RFC 5321 §3.3; resolve_address(3)). */
function spellings(foreign: string, ours: string): string[] {
  const [user, domain] = foreign.split("@");
  return [
    `${user}%${domain}@${ours}`,
    `${user}@${domain}@${ours}`,
    `"${user}@${domain}"@${ours}`,
    `${domain}!${user}@${ours}`,
    `${user}%${domain}`,
  ];
}

/** Our domains whose spellings are tried. */
const MOST_DOMAINS = 3;

/**
 * Sessions with addresses that would be routed on from here: to a stranger of ours, which the resolver has to see through; or by a host
 * of relay_domains, if it does what the address says (allow_untrusted_routing).
 */
export async function routedOn(
  { policy }: AccessParts,
  { settings }: PolicyService,
  { outsider, foreign }: ProofInput,
  { router, openTables }: ProofDeps,
): Promise<{ readonly witnesses: readonly Witness[]; readonly loosely: readonly string[] }> {
  const witnesses: Witness[] = [];
  const loosely: string[] = [];
  for (
    const ours of [settings.myhostname, ...domainsIn(settings.relay_domains, openTables)].slice(
      0,
      MOST_DOMAINS,
    )
  ) {
    for (const recipient of spellings(foreign, ours)) {
      const resolution = await router.resolve("", recipient);
      if (resolution.is !== "resolved" || resolution.malformed) continue;
      const away = resolution.class === "default";
      if (!away && !(resolution.class === "relay" && resolution.routed)) continue;
      const attempt = attempts(outsider, {}, recipient)[0]!;
      if (!await isTaken(policy, attempt)) continue;
      const text =
        `allow_untrusted_routing: RCPT TO:<${recipient}> goes to the hosts of ${ours}, who may send it on`;
      if (away) witnesses.push({ attempt, through: [`the spelling <${recipient}>`], fix: SPELLING });
      else loosely.push(text);
    }
  }
  return { witnesses: witnesses.slice(0, 1), loosely: loosely.slice(0, 1) };
}

/** Domains of a list: those it names, and the first keys of its tables. */
function* domainsIn(list: string, openTables: OpenTables): Iterable<string> {
  for (const word of splitList(list)) {
    if (isDomain(word)) yield word;
    if (/^[a-z]+:/.test(word)) yield* firstDomains(openTables.table(word));
  }
}

function* firstDomains(table: Table): Iterable<string> {
  let left = MOST_DOMAINS;
  for (const each of table.possible?.(() => true) ?? []) {
    if (each.is !== "key" || left-- === 0) return;
    if (isDomain(each.key)) yield each.key;
  }
}

const isDomain = (word: string) => /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(word);

const SPELLING =
  "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination";

/** Whoever may use XCLIENT says that he is anybody: where strangers may, they are in mynetworks and logged in. */
export async function claims(
  parts: AccessParts,
  { settings }: PolicyService,
  input: ProofInput,
  deps: ProofDeps,
): Promise<Witness[]> {
  const name = "smtpd_authorized_xclient_hosts";
  const list = deps.openTables.addresses(settings[name], {
    parentMatches: parentMatches(settings, name),
    title: name,
  });
  const { outsider } = input;
  const wide = await has(list, outsider.address) ? { address: outsider.address } : await wideClient(
    { list, text: settings[name], named: settings.smtpd_peername_lookup },
    deps.openTables,
    outsider,
    input.hasTime,
  );
  if (wide === undefined) return [];
  const address = wide.address ?? outsider.address;
  for (const client of ["127.0.0.1", "::1"]) {
    const want: Want = {
      client: { address: client, name: "localhost" },
      saslUsername: "anybody",
      saslMethod: "XCLIENT",
    };
    const attempt = await tried([want], parts, input, deps);
    if (attempt === undefined) continue;
    const through = [`${name}: ${wide.name ?? address} is in it, and may claim to be any client`];
    const fix = `name the addresses of your proxies in ${name}`;
    return [{ attempt, through, fix, claims: { address } }];
  }
  return [];
}
