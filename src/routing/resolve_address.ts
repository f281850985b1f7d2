import { type Address, internalAddress } from "../address/address.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { type AddressForm, isStandardForm, quoteWithRoute } from "../rewrite/address_form.ts";
import type { LocalDomains, Trouble } from "../rewrite/local_domains.ts";
import {
  firstOperator,
  isOperator,
  lastOperator,
  operator,
  printTokens,
  scanTokens,
  type Token,
} from "../rewrite/tokens.ts";

/** The settings that say how far an address is taken apart. */
export const RESOLVE_PARAMETERS = [
  "myhostname",
  "empty_address_recipient",
  "resolve_null_domain",
  "resolve_dequoted_address",
  "swap_bangpath",
  "allow_percent_hack",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ResolveSettings = SettingsOf<typeof RESOLVE_PARAMETERS>;

/** An address with all local domains stripped off its end. */
export interface FinalAddress {
  readonly address: Address;
  /** Whether what remains is for a domain of ours. */
  readonly local: boolean;
}

/** What the resolver asks. */
export interface ResolveTools {
  readonly settings: ResolveSettings;
  readonly form: AddressForm;
  readonly local: LocalDomains;
}

/**
 * Strips own domains off an address until the destination is remote or nothing is left to strip: `a%b@here`, `b!a@here` and
 * `"a@b"@here` are mail for a@b. This is what keeps routed addresses from passing as local ones (trivial-rewrite(8)).
 */
export function resolveAddress(address: string, tools: ResolveTools): MaybeAsync<FinalAddress | Trouble> {
  if (!isStandardForm(address)) return new Resolving(address, tools).run();
  const local = tools.local.isLocal(address.slice(address.lastIndexOf("@") + 1));
  const answer = (known: boolean | Trouble) =>
    typeof known === "object" ? known : { address: internalAddress(address), local: known };
  return isPromise(local) ? local.then(answer) : answer(local);
}

class Resolving {
  readonly #tools: ResolveTools;
  readonly #address: string;
  #tokens: readonly Token[];
  /** The last domain that was stripped, with its `@`. */
  #stripped: readonly Token[] | undefined;
  #rounds = 0;

  constructor(address: string, tools: ResolveTools) {
    this.#tools = tools;
    this.#address = address;
    this.#tokens = scanTokens(quoteWithRoute(address));
  }

  run(): MaybeAsync<FinalAddress | Trouble> {
    while (this.#rounds++ <= this.#address.length + 100) {
      this.#tidyEnd();
      const at = lastOperator(this.#tokens, "@");
      const domain = at < 0 ? [] : this.#tokens.slice(at + 1);
      if (domain.length > 0) {
        const local = this.#tools.local.isLocal(printTokens(domain));
        if (isPromise(local)) return local.then((late) => this.#continue(late, at) ?? this.run());
        const done = this.#continue(local, at);
        if (done !== undefined) return done;
      } else {
        const done = this.#continue(true, at);
        if (done !== undefined) return done;
      }
    }
    return { trouble: `resolve_addr: <${this.#address}>: giving up after ${this.#rounds} iterations` };
  }

  /** A final dot, and with resolve_null_domain a final `@`, say nothing. */
  #tidyEnd(): void {
    const last = this.#tokens.length - 1;
    const before = this.#tokens[last - 1];
    const dot = isOperator(this.#tokens[last], ".") && lastOperator(this.#tokens, "@") >= 0 &&
      !isOperator(before, ".") && !isOperator(before, "@");
    if (dot) this.#tokens = this.#tokens.slice(0, -1);
    if (this.#tools.settings.resolve_null_domain && isOperator(this.#tokens.at(-1), "@")) {
      this.#tokens = this.#tokens.slice(0, -1);
    }
  }

  /** One round, once it is known whether the last domain is ours; undefined asks for another. */
  #continue(local: boolean | Trouble, at: number): FinalAddress | Trouble | undefined {
    if (typeof local === "object") return local;
    if (!local) return { address: internalAddress(printTokens(this.#tokens)), local: false };
    if (at >= 0) {
      this.#stripped = this.#tokens.slice(at);
      this.#tokens = this.#tokens.slice(0, at);
    }
    if (this.#hasRouting()) {
      this.#tokens = this.#tools.form.rewriteTokens(this.#tokens, "local");
      return undefined;
    }
    if (this.#crackQuotes() || this.#fillEmpty()) return undefined;
    const domain = this.#stripped ?? [operator("@"), ...scanTokens(this.#tools.settings.myhostname)];
    if (this.#stripped === undefined && at < 0) {
      this.#tokens = [...this.#tokens, ...domain];
      return undefined;
    }
    return { address: internalAddress(printTokens([...this.#tokens, ...domain])), local: true };
  }

  #hasRouting(): boolean {
    const { settings } = this.#tools;
    return lastOperator(this.#tokens, "@") >= 0 ||
      (settings.swap_bangpath && firstOperator(this.#tokens, "!") >= 0) ||
      (settings.allow_percent_hack && firstOperator(this.#tokens, "%") >= 0);
  }

  /** A quoted local part that hides a route is opened: `"a@b"@here` must not relay (resolve_dequoted_address). */
  #crackQuotes(): boolean {
    const [only] = this.#tokens;
    if (
      !this.#tools.settings.resolve_dequoted_address || only === undefined || this.#tokens.length !== 1 ||
      only.type !== "quoted"
    ) {
      return false;
    }
    const opened = this.#opened(only.text);
    if (opened === undefined) return false;
    const tokens = scanTokens(opened);
    this.#tokens = tokens.length === 0 ? tokens : this.#tools.form.rewriteTokens(tokens, "local");
    return true;
  }

  #opened(local: string): string | undefined {
    const { settings } = this.#tools;
    if (local.includes("@")) return quoteWithRoute(local);
    const percent = settings.allow_percent_hack ? local.lastIndexOf("%") : -1;
    if (percent >= 0) return quoteWithRoute(`${local.slice(0, percent)}@${local.slice(percent + 1)}`);
    return settings.swap_bangpath && local.includes("!") ? local : undefined;
  }

  /** Nothing left to name a user: the mail is for empty_address_recipient. */
  #fillEmpty(): boolean {
    const [only] = this.#tokens;
    const empty = only === undefined ||
      (this.#tokens.length === 1 && only.type === "quoted" && only.text === "");
    if (empty) this.#tokens = scanTokens(this.#tools.settings.empty_address_recipient);
    return empty;
  }
}
