import { isPromise, type MaybeAsync, then } from "../../../base/maybe_async.ts";
import { askHttp } from "../../../platform/socket/http_client.ts";
import { Gate } from "../../../sasl/password/gate.ts";
import type { LentSecrets } from "../../../sasl/password/secret_text.ts";
import { TokenSource } from "../../../sasl/client/token_source.ts";
import type { DomainList, Match } from "../../../table/search/match_list.ts";
import type { Answer } from "../../../table/table.ts";
import type { OpenMaps } from "../../../rewrite/open_tables.ts";
import type { FindAddress } from "../../../rewrite/find_address.ts";
import type { RewritingTools } from "../content/generic.ts";
import { type LoginDemand, NO_LOGIN } from "./login_demand.ts";
import type { LoginSettings } from "./login_settings.ts";
import { parseEntry } from "./password_entry.ts";
import { RefusedLogins } from "./refused_logins.ts";

/** What passwords are looked up by. */
export interface LoginPlace {
  /** The server's name, without brackets. */
  readonly host: string;
  /** The next hop as it is written: `[host]:587`. */
  readonly nexthop: string;
  readonly sender: string;
}

/** Logins of one client service. */
export class ClientLogins {
  readonly settings: LoginSettings;
  readonly refused: RefusedLogins;
  readonly tokens: TokenSource;
  /** One at a time: what servers ask for must not hold up the files of the queue. */
  readonly gate = new Gate({ parallel: 1, waiting: 1000 });
  readonly #files: LentSecrets;
  readonly #passwords: OpenMaps | undefined;
  readonly #find: FindAddress | undefined;
  readonly #filter: DomainList | undefined;

  constructor(
    settings: LoginSettings,
    tools: RewritingTools | undefined,
    { files, now }: { readonly files: LentSecrets; readonly now: () => number },
  ) {
    this.settings = settings;
    this.#files = files;
    this.tokens = new TokenSource({ dataDirectory: settings.dataDirectory, ask: askHttp, files, now });
    this.refused = new RefusedLogins(settings.refusedFor, now);
    const title = `${settings.program}_sasl_password_maps`;
    this.#passwords = tools?.openTables.maps(settings.passwordMaps, title);
    this.#find = settings.bySender ? tools?.find : undefined;
    this.#filter = tools?.openTables.domains(settings.mechanismFilter, {
      parentMatches: false,
      exact: true,
      title: `${settings.program}_sasl_mechanism_filter`,
    });
  }

  /** The login for a server: by sender where that is asked for, by the server's name, by the next hop (SASL_README). */
  demand({ host, nexthop, sender }: LoginPlace): MaybeAsync<LoginDemand> {
    const passwords = this.#passwords;
    if (passwords === undefined) return NO_LOGIN;
    const bySender = this.#find === undefined || sender === ""
      ? undefined
      : then(this.#find(passwords, sender), ({ answer }) => answer);
    return then(
      bySender,
      (own) =>
        own !== undefined && own.is !== "absent"
          ? this.#read(own)
          : then(passwords.whole.find(host), (byHost) =>
            byHost.is !== "absent" || nexthop === ""
              ? this.#read(byHost)
              : then(passwords.whole.find(nexthop), (byHop) =>
                this.#read(byHop))),
    );
  }

  #read(answer: Answer): LoginDemand {
    if (answer.is === "absent") return NO_LOGIN;
    const { program, delimiter } = this.settings;
    if (answer.is === "trouble") return { is: "trouble", why: `${program}_sasl_password_maps lookup error` };
    const login = parseEntry(answer.value, delimiter, this.#files);
    return "why" in login ? { is: "trouble", why: login.why } : { is: "login", login };
  }

  /** What smtp_sasl_mechanism_filter leaves of an offer. Rejects where that cannot be found out. */
  filtered(offered: readonly string[]): MaybeAsync<readonly string[]> {
    const filter = this.#filter;
    if (filter === undefined) return offered;
    const matches = offered.map((name) => filter.matches(name));
    const judge = (found: readonly Match[]) => {
      const trouble = found.find((match) => match.is === "trouble");
      if (trouble !== undefined) {
        throw new Error(`${this.settings.program}_sasl_mechanism_filter: ${trouble.why}`);
      }
      return offered.filter((_, at) => found[at]!.is === "yes");
    };
    return matches.some(isPromise) ? Promise.all(matches).then(judge) : judge(matches as Match[]);
  }
}
