import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Log } from "../observe/log.ts";
import { type MATCH_PARAMETERS, type OpenTables, parentMatches } from "../rewrite/open_tables.ts";
import type { AuthBackend, AuthSession, OfferedMechanism } from "../sasl/auth_backend.ts";
import { allowedMechanisms, badSecurityOptions } from "../sasl/security_options.ts";
import type { DomainList, Match } from "../table/search/match_list.ts";
import type { AuthOffer, AuthPeer, AuthServer, NoOffer } from "./auth_server.ts";

/** The parameters of AUTH beside those that name the back end. */
export const AUTH_PARAMETERS = [
  "myhostname",
  "smtpd_sasl_service",
  "smtpd_sasl_local_domain",
  "smtpd_sasl_security_options",
  "smtpd_sasl_tls_security_options",
  "smtpd_sasl_mechanism_filter",
  "smtpd_sasl_exceptions_networks",
] as const satisfies readonly ParameterName[];

/** Their values, and how lists are read. */
export type AuthSettings = SettingsOf<typeof AUTH_PARAMETERS> & SettingsOf<typeof MATCH_PARAMETERS>;

/** A word that is no option, in words for the operator: Postfix's smtpd dies of one at its first client. */
export function badSecurityOption(settings: AuthSettings): string | undefined {
  for (const name of ["smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"] as const) {
    const bad = badSecurityOptions(name, settings[name]);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

const fatal = (text: string, warnings: readonly string[] = []): NoOffer => ({ fatal: text, warnings });
/** Different lists that are remembered: there are few. */
const MOST_KNOWN = 32;
const NOTHING = "no SASL authentication mechanisms";
const FILTER = "smtpd_sasl_mechanism_filter";

/** AUTH with a back end, under a service's security options and filters. */
class FilteredAuth implements AuthServer {
  readonly texts;
  readonly isExcepted: AuthServer["isExcepted"];
  readonly #backend: AuthBackend;
  readonly #settings: AuthSettings;
  readonly #filter: DomainList | undefined;
  /** Sessions that may use the same share an offer. */
  readonly #known = new Map<string, AuthOffer>();

  constructor(backend: AuthBackend, settings: AuthSettings, openTables: OpenTables, log: Log) {
    this.texts = backend.texts;
    this.#backend = backend;
    this.#settings = settings;
    this.#filter = openTables.domains(settings[FILTER], {
      parentMatches: false,
      exact: true,
      title: FILTER,
    });
    this.isExcepted = exceptions(settings, openTables, log);
  }

  offer(peer: AuthPeer): MaybeAsync<AuthOffer | NoOffer> {
    return then(this.#backend.offer(this.#session(peer)), (offer) => {
      if (offer.is === "trouble") return fatal(NOTHING, offer.warnings);
      return this.#filtered(offer.mechanisms, peer);
    });
  }

  #filtered(of: readonly OfferedMechanism[], { tls }: AuthPeer): MaybeAsync<AuthOffer | NoOffer> {
    const { smtpd_sasl_security_options: plain, smtpd_sasl_tls_security_options: secured } = this.#settings;
    const names = allowedMechanisms(of, tls === undefined ? plain : secured).map(({ name }) => name);
    if (names.length === 0) return fatal(NOTHING);
    const key = names.join(" ");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    return then(this.#announced(names), (announced) => {
      if ("fatal" in announced) return announced;
      const offer = { mechanisms: new Set(names), announced: announced.names.join(" ") };
      if (this.#known.size < MOST_KNOWN) this.#known.set(key, offer);
      return offer;
    });
  }

  /** What the filter lets be announced. */
  #announced(names: readonly string[]): MaybeAsync<{ readonly names: readonly string[] } | NoOffer> {
    const filter = this.#filter;
    if (filter === undefined) return { names };
    const matches = names.map((name) => filter.matches(name));
    const judge = (found: readonly Match[]) => {
      const trouble = found.findIndex(({ is }) => is === "trouble");
      if (trouble >= 0) return fatal(`SASL mechanism filter failed for: '${names[trouble]}'`);
      const kept = names.filter((_, at) => found[at]!.is === "yes");
      return kept.length > 0
        ? { names: kept }
        : fatal(`${FILTER} discards all mechanisms in '${names.join(" ")}'`);
    };
    return matches.some(isPromise) ? Promise.all(matches).then(judge) : judge(matches as Match[]);
  }

  begin(mechanism: string, peer: AuthPeer) {
    return this.#backend.begin(mechanism, this.#session(peer));
  }

  #session({ client, server, tls, rank }: AuthPeer): AuthSession {
    const { smtpd_sasl_service, smtpd_sasl_local_domain, myhostname } = this.#settings;
    return {
      service: smtpd_sasl_service,
      realm: smtpd_sasl_local_domain,
      myhostname,
      client: { ...client, address: known(client.address) },
      server: { ...server, address: known(server.address) },
      tls,
      rank,
    };
  }
}

const known = (address: string) => address === "unknown" ? "" : address;

function exceptions(settings: AuthSettings, openTables: OpenTables, log: Log): AuthServer["isExcepted"] {
  const title = "smtpd_sasl_exceptions_networks";
  const list = openTables.addresses(settings[title], {
    parentMatches: parentMatches(settings, title),
    title,
  });
  if (list === undefined) return () => false;
  return ({ address, name }) =>
    then(list.matches(address, name === "unknown" ? undefined : name), (match) => {
      if (match.is === "trouble") log.note("smtpd", "warning", `${title}: ${match.why}`);
      return match.is === "trouble" ? undefined : match.is === "yes";
    });
}

/** AUTH for the sessions of a service. */
export function createAuthServer(
  backend: AuthBackend,
  settings: AuthSettings,
  openTables: OpenTables,
  log: Log,
): AuthServer {
  return new FilteredAuth(backend, settings, openTables, log);
}
