import { type Address, splitAddress } from "../address/address.ts";
import { asciiDomain } from "../address/idna.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { claimsSrs, srsForward, srsReverse } from "../mailauth/srs/srs_address.ts";
import { SRS_SEPARATORS, type SrsRules } from "../mailauth/srs/srs_rules.ts";
import type { Trouble } from "./local_domains.ts";
import { type LentFiles, readSrsSecrets } from "./srs_secrets.ts";

/** How senders of mail that is sent on are rewritten. */
export const SRS_PARAMETERS = [
  "srs_domain",
  "srs_hash_length",
  "srs_hash_minimum",
  "srs_maximum_age",
  "srs_secret",
  "srs_separator",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type SrsSettings = SettingsOf<typeof SRS_PARAMETERS>;

/** What an address that came back stands for. `plain`: it is none of these. */
export type Returned =
  | { readonly is: "plain" }
  | { readonly is: "address"; readonly address: Address }
  /** Nobody gets mail there; `why` is for the client to read. */
  | { readonly is: "refused"; readonly why: string }
  | { readonly is: "trouble"; readonly why: string };

/** The sender rewriting of this server (mailauth/srs). */
export interface Srs {
  /** The domain of the addresses that are made here, in lower case. */
  readonly domain: string;
  /** Why nothing can be made or read: what needs it waits. */
  readonly trouble: string | undefined;
  /** The sender under which a message is sent on; undefined where it stays as it is. */
  forward(sender: Address): Address | undefined | Trouble;
  /** Whom mail for a recipient is for. */
  reverse(recipient: string): Returned;
}

const PLAIN: Returned = { is: "plain" };
const DAY = 86_400;

const REFUSALS = {
  forged: "SRS address is not one that was made here, or it was changed on the way",
  expired: "SRS address has expired: what it answers was forwarded too long ago",
} as const;

/** Builds the rewriting; undefined while srs_domain is empty. `now` in milliseconds since 1970. */
export function openSrs(settings: SrsSettings, files: LentFiles, now: () => number): Srs | undefined {
  const domain = asciiDomain(settings.srs_domain).toLowerCase();
  if (domain === "") return undefined;
  const sources = readSrsSecrets(settings.srs_secret, files);
  const trouble = sources.length === 0
    ? "srs_secret is empty"
    : sources.find(({ fault }) => fault !== undefined)?.fault;
  const rules = rulesOf(settings, domain, sources.flatMap(({ secrets }) => secrets));
  return {
    domain,
    trouble,
    forward: (sender) => trouble === undefined ? srsForward(sender, rules, now()) : { trouble },
    reverse(text) {
      if (!claimsSrs(text)) return PLAIN;
      const recipient = splitAddress(text);
      if (asciiDomain(recipient.domain.replace(/\.$/, "")).toLowerCase() !== domain) return PLAIN;
      if (trouble !== undefined) return { is: "trouble", why: trouble };
      const back = srsReverse(recipient.local, rules, now());
      return back.is === "refused" ? { is: "refused", why: REFUSALS[back.why] } : back;
    },
  };
}

function rulesOf(settings: SrsSettings, domain: string, secrets: readonly Buffer[]): SrsRules {
  return {
    domain,
    secrets,
    separator: SRS_SEPARATORS.find((each) => each === settings.srs_separator) ?? "=",
    hashLength: settings.srs_hash_length,
    hashMinimum: settings.srs_hash_minimum,
    maximumAge: Math.floor(settings.srs_maximum_age / DAY),
  };
}
