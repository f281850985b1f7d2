import { splitMatchList } from "../../config/syntax/list.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { AddressList } from "../../table/search/match_list.ts";
import type { Table } from "../../table/table.ts";
import type { Want } from "../restriction.ts";
import { namesOfStranger, type OutsideClient } from "./relay_session.ts";

/** An address in each part of the internet that registries have handed out. */
export const PUBLIC_V4: readonly string[] = Array.from({ length: 223 }, (_, at) => at + 1)
  .filter((octet) => ![10, 100, 127].includes(octet)).map((octet) => `${octet}.77.77.77`);
/** One address in the part of each registry (IPv6). */
export const PUBLIC_V6: readonly string[] = ["2001", "2400", "2600", "2800", "2a00", "2c00"].map((head) =>
  `${head}:77::77`
);

/** Parts of the internet that somebody may still know by name. */
const KNOWN_V4 = 16;
const KNOWN_V6 = 1;

/** Domains that a list may have whole. */
export const TOP_LEVELS = [
  "com",
  "net",
  "org",
  "info",
  "de",
  "uk",
  "fr",
  "cn",
  "ru",
  "jp",
  "br",
  "in",
] as const;

/** Patterns of a table that names are guessed for. */
const MOST_PATTERNS = 200;

/** Whether a list has an address, or the client's name. */
export async function has(
  list: AddressList | undefined,
  address: string,
  name = "unknown",
): Promise<boolean> {
  return list !== undefined && (await list.matches(address, name)).is === "yes";
}

/** An address that a list has together with more of the internet than anybody can know. */
async function wideAddress(list: AddressList | undefined): Promise<string | undefined> {
  for (const [sample, known] of [[PUBLIC_V4, KNOWN_V4], [PUBLIC_V6, KNOWN_V6]] as const) {
    const inside: string[] = [];
    for (const address of sample) if (await has(list, address)) inside.push(address);
    if (inside.length > known) return inside[0];
  }
  return undefined;
}

/** A list of clients, and how it is written. */
export interface ClientList {
  readonly list: AddressList | undefined;
  readonly text: string;
  /** Clients have names (smtpd_peername_lookup). */
  readonly named: boolean;
}

/**
 * A client that mynetworks trusts, or another list, and that may be anybody: by an address, with a good part of the internet; or by a
 * name that a stranger can have, as names count there too (`com`; a pattern such as `/^10\./` also matches `10.stranger.example`).
 */
export async function wideClient(
  { list, text, named }: ClientList,
  tables: Pick<OpenTables, "table">,
  outsider: OutsideClient,
  hasTime: () => boolean,
): Promise<Want["client"]> {
  const address = await wideAddress(list);
  if (address !== undefined) return { address };
  if (!named) return undefined;
  for (const name of guesses(text, tables, outsider)) {
    if (!hasTime()) return undefined;
    if (await has(list, outsider.address, name)) return { name };
  }
  return undefined;
}

function* guesses(
  text: string,
  tables: Pick<OpenTables, "table">,
  { name, domain }: OutsideClient,
): Iterable<string> {
  yield name;
  for (const top of TOP_LEVELS) yield `mail.relay-witness-7c1.${top}`;
  for (const item of splitMatchList(text).items) {
    const bare = item.replace(/^!+/, "");
    if (!bare.includes(":") || /^[[/]/.test(bare)) continue;
    for (const part of samples(tables.table(bare))) yield* namesOfStranger(part, domain);
  }
}

function* samples(table: Table): Iterable<string> {
  let left = MOST_PATTERNS;
  for (const each of table.pattern ? table.possible?.(() => true) ?? [] : []) {
    if (each.is !== "pattern") continue;
    if (left-- === 0) return;
    yield* each.samples;
  }
}
