import { addressKind } from "../../address/address_kind.ts";
import { sameAddress } from "../../dns/name.ts";
import { type CheckResult, ok, problem, type Remedy, warning } from "../check_result.ts";
import { addressRecord, pointerRecord } from "../dns_record.ts";
import { leadsTo, type NameLookup, type ReverseLookup, whyNothing } from "../name_lookup.ts";

/** What is known of our name. */
export interface NameFacts {
  readonly parameter: "myhostname" | "smtp_helo_name";
  readonly lookup: NameLookup;
  /** Addresses of this machine, and of what stands before it (proxy_interfaces). */
  readonly own: readonly string[];
  /** All mail leaves by a relay, which speaks for us. */
  readonly relayed: boolean;
}

const NAME = "name";

/** Names that nobody else can look up (RFC 2606, RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
const NOT_OF_THE_WORLD =
  /(?:^|\.)(?:localhost|localdomain|local|lan|home|internal|invalid|test|alt|home\.arpa)$/i;

/** Whether the name that we give to others is one, leads to us, and back: large receivers refuse mail from others. */
export function checkName(facts: NameFacts): CheckResult[] {
  const { lookup: { name, addresses, reverse }, parameter } = facts;
  const say = facts.relayed ? warning : problem;
  const title = `${parameter} = ${name}`;
  if (!name.includes(".") || NOT_OF_THE_WORLD.test(name)) {
    return [say(NAME, `${title} is no name that others can look up`, {
      fix: "mta postconf -e myhostname=mail.DOMAIN, with a domain of yours",
    })];
  }
  if (addresses.is === "trouble") return [warning(NAME, `${title} ${whyNothing(addresses)}`)];
  const open = facts.own.filter((address) => addressKind(address) === "public");
  if (addresses.is !== "records") {
    return [
      say(
        NAME,
        `${title} ${addresses.is === "nodata" ? "has no address" : whyNothing(addresses)}`,
        publishAddress(name, open),
      ),
    ];
  }
  if (reverse.length === 0) {
    const listed = addresses.addresses.map(({ address }) => address).join(", ");
    return [say(NAME, `${title} leads to ${listed}, where nobody else comes`, publishAddress(name, open))];
  }
  const found = [...elsewhere(title, facts, open), ...reverse.flatMap((each) => backwards(name, each, say))];
  if (found.length > 0) return found;
  return [ok(NAME, `${title} leads to ${reverse.map(({ address }) => address).join(", ")} and back`)];
}

function publishAddress(name: string, open: readonly string[]): Remedy {
  const fix = "publish the address by which others reach this machine";
  return open.length === 0
    ? { fix }
    : { fix, record: open.map((each) => addressRecord(name, each)).join("\n") };
}

/** Where all addresses of the machine are private, a router may have the public one. */
function elsewhere(
  title: string,
  { lookup: { reverse } }: NameFacts,
  open: readonly string[],
): CheckResult[] {
  const isOwn = reverse.some(({ address }) => open.some((own) => sameAddress(own, address)));
  if (open.length === 0 || isOwn) return [];
  const listed = reverse.map(({ address }) => address).join(", ");
  return [warning(NAME, `${title} leads to ${listed}, which is not of this machine (${open.join(", ")})`, {
    fix: "publish this machine's address, or name what stands before it in proxy_interfaces",
  })];
}

function backwards(name: string, { address, ptr }: ReverseLookup, say: typeof problem): CheckResult[] {
  if (leadsTo(ptr, name)) return [];
  if (ptr.is === "trouble") return [warning(NAME, `the name of ${address} ${whyNothing(ptr)}`)];
  const record = pointerRecord(address, name);
  const fix = "let the provider of the address publish it";
  if (ptr.is === "records") {
    const names = ptr.records.map(({ target }) => target).join(", ");
    return [warning(NAME, `${address} leads back to ${names}, not to ${name}`, { fix, record })];
  }
  return [
    say(NAME, `${address} leads back to no name (PTR): large receivers refuse mail from there`, {
      fix,
      record,
    }),
  ];
}
