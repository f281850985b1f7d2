import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { Resolution } from "../../routing/route.ts";
import { addressSubject, resolved, type Whose } from "./address_restrictions.ts";
import type { Query, Verdict } from "../restriction.ts";
import { splitStatus, statusForSubject } from "../reply/status_text.ts";
import { DUNNO, lookupFailure, reject, rejectedText, serverError } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

type Resolved = Extract<Resolution, { is: "resolved" }>;

/** The lists of known addresses: what is in none of those that apply does not exist. */
interface KnownAddresses {
  /** Asked first, for any class: what is rewritten or aliased counts as known. */
  readonly rewritten: readonly OpenMaps[];
  readonly senderRewritten: readonly OpenMaps[];
  readonly local: OpenMaps | undefined;
  readonly mailbox: OpenMaps | undefined;
  readonly relay: OpenMaps | undefined;
}

/** Validates an address (reject_unlisted_sender, reject_unlisted_recipient; LOCAL_RECIPIENT_README). */
export type Unlisted = (whose: Whose, query: Query) => MaybeAsync<Verdict>;

/** Builds the validation; receive_override_options = no_unknown_recipient_checks turns it off. */
export function createUnlisted(deps: RestrictionDeps): Unlisted {
  const { settings, openTables } = deps;
  if (splitList(settings.receive_override_options).includes("no_unknown_recipient_checks")) {
    return () => DUNNO;
  }
  const open = (names: readonly (keyof RestrictionDeps["settings"])[]) =>
    names.flatMap((name) => openTables.maps(String(settings[name]), name) ?? []);
  const known: KnownAddresses = {
    rewritten: open(["recipient_canonical_maps", "canonical_maps", "virtual_alias_maps"]),
    senderRewritten: open([
      "recipient_canonical_maps",
      "sender_canonical_maps",
      "canonical_maps",
      "virtual_alias_maps",
    ]),
    local: openTables.maps(settings.local_recipient_maps, "local_recipient_maps"),
    mailbox: openTables.maps(settings.virtual_mailbox_maps, "virtual_mailbox_maps"),
    relay: openTables.maps(settings.relay_recipient_maps, "relay_recipient_maps"),
  };
  return (whose, query) => {
    const address = query.facts[whose];
    if (address === undefined || address === "") return DUNNO;
    return resolved(
      query,
      whose,
      address,
      (resolution) => validate(deps, known, whose, address, resolution),
    );
  };
}

function validate(
  deps: RestrictionDeps,
  known: KnownAddresses,
  whose: Whose,
  address: string,
  resolution: Resolved,
): MaybeAsync<Verdict> {
  const key = resolution.recipient.toLowerCase();
  const first = whose === "sender" ? known.senderRewritten : known.rewritten;
  return then(isListed(deps, first, key), (listed): MaybeAsync<Verdict> => {
    if (typeof listed === "object") return troubled(address, listed);
    if (listed) return DUNNO;
    return byTransport(deps, whose, address, resolution) ??
      byClass(deps, known, whose, address, resolution);
  });
}

interface Failed {
  readonly retry: boolean;
  readonly why: string;
}

function troubled(address: string, failed: Failed): Verdict {
  return failed.retry ? lookupFailure(address, failed.why) : serverError(failed.why);
}

/** Whether one of the tables has the address, in the forms of canonical(5). */
function isListed(
  deps: RestrictionDeps,
  tables: readonly OpenMaps[],
  key: string,
  at = 0,
): MaybeAsync<boolean | Failed> {
  if (at >= tables.length) return false;
  const maps = tables[at]!;
  return then(deps.find(maps, key), ({ answer }) => {
    if (answer.is === "trouble") return { retry: answer.retry, why: answer.why };
    return answer.is === "found" ? true : isListed(deps, tables, key, at + 1);
  });
}

/** What goes to the error or retry transport is undeliverable as it is. */
function byTransport(
  deps: RestrictionDeps,
  whose: Whose,
  address: string,
  resolution: Resolved,
): Verdict | undefined {
  const { transport, nexthop } = resolution;
  if (transport !== "error" && transport !== "retry") return undefined;
  const about = addressSubject(whose, address);
  const kind = transport === "error" ? "5" : "4";
  const { status, text } = splitStatus(nexthop, whose === "sender" ? `${kind}.1.0` : `${kind}.1.1`);
  const code = transport === "retry"
    ? 450
    : resolution.class === "virtual alias"
    ? deps.settings.unknown_virtual_alias_reject_code
    : 550;
  return reject(code, statusForSubject(status, about.class), rejectedText(about, text), "bounce");
}

function byClass(
  deps: RestrictionDeps,
  known: KnownAddresses,
  whose: Whose,
  address: string,
  resolution: Resolved,
): MaybeAsync<Verdict> {
  const { settings } = deps;
  const key = resolution.recipient.toLowerCase();
  const unless = (maps: OpenMaps | undefined, code: number, table: string): MaybeAsync<Verdict> => {
    if (maps === undefined) return DUNNO;
    return then(isListed(deps, [maps], key), (listed) => {
      if (typeof listed === "object") return troubled(address, listed);
      return listed ? DUNNO : unknownUser(deps, whose, address, code, table);
    });
  };
  switch (resolution.class) {
    case "local":
      if (isBuiltIn(key, settings.double_bounce_sender)) return DUNNO;
      return unless(known.local, settings.unknown_local_recipient_reject_code, "local recipient");
    case "virtual mailbox":
      return unless(known.mailbox, settings.unknown_virtual_mailbox_reject_code, "virtual mailbox");
    case "relay":
      return unless(known.relay, settings.unknown_relay_recipient_reject_code, "relay recipient");
    default:
      return DUNNO;
  }
}

/** Addresses of the mail system itself exist in every local domain (RFC 5321 §4.5.1). */
function isBuiltIn(address: string, doubleBounce: string): boolean {
  const local = address.slice(0, address.lastIndexOf("@"));
  return local === "postmaster" || local === "mailer-daemon" || local === doubleBounce.toLowerCase();
}

function unknownUser(
  deps: RestrictionDeps,
  whose: Whose,
  address: string,
  code: number,
  table: string,
): Verdict {
  const named = deps.settings.show_user_unknown_table_name ? ` in ${table} table` : "";
  const status = whose === "sender" ? "5.1.0" : "5.1.1";
  return reject(code, status, rejectedText(addressSubject(whose, address), `User unknown${named}`), "bounce");
}
