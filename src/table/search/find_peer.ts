import { isHostAddress } from "../../address/host_address.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { ABSENT, type Answer } from "../table.ts";
import { addressKeys, parentKeys } from "./host_keys.ts";
import type { Maps } from "./maps.ts";

/** The other side of a connection. */
export interface NamedPeer {
  readonly name: string;
  readonly address: string;
}

/** How peers are searched for. */
interface PeerTables {
  readonly whole: Maps;
  /** Those that are asked for parts of names and addresses: pattern tables are not among them. */
  readonly partial: Maps;
  /** `example.com` stands for its subdomains; else `.example.com` does. */
  readonly parentMatches: boolean;
}

/**
 * The entry for a peer: by its name (an A-label) and the parents of it, then by its address and the networks of it. DUNNO ends the
 * search without one (postconf(5), smtp_tls_loglevel_maps).
 */
export function findPeer({ name, address }: NamedPeer, tables: PeerTables): MaybeAsync<Answer> {
  const ascii = asciiDomain(name).toLowerCase();
  const names = isAsciiHostname(ascii) ? parentKeys(ascii, tables.parentMatches) : [];
  const addresses = isHostAddress(address) ? addressKeys(address.toLowerCase()) : [];
  const found = then(
    findFirst(names, tables),
    (answer) => answer.is === "absent" ? findFirst(addresses, tables) : answer,
  );
  return then(
    found,
    (answer) => answer.is === "found" && answer.value.toUpperCase() === "DUNNO" ? ABSENT : answer,
  );
}

/** The first key that is there, or cannot be looked up; all behind the first are parts of it. */
function findFirst(keys: readonly string[], tables: PeerTables, at = 0): MaybeAsync<Answer> {
  const key = keys[at];
  if (key === undefined) return ABSENT;
  return then(
    (at === 0 ? tables.whole : tables.partial).find(key),
    (answer) => answer.is === "absent" ? findFirst(keys, tables, at + 1) : answer,
  );
}
