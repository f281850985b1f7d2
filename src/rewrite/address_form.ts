import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { type Address, internalAddress, NULL_ADDRESS, quoteLocal } from "../address/address.ts";
import {
  firstOperator,
  isOperator,
  lastOperator,
  operator,
  printTokens,
  scanTokens,
  type Token,
} from "./tokens.ts";

/** What is appended to incomplete addresses; "" appends nothing (trivial-rewrite(8)). */
export interface RewriteContext {
  readonly origin: string;
  readonly domain: string;
}

/** Where an address comes from: our own clients, or the rest of the world (local_header_rewrite_clients). */
export type ContextName = "local" | "remote";

/** The settings that the standard address form depends on. */
export const ADDRESS_FORM_PARAMETERS = [
  "myorigin",
  "mydomain",
  "remote_header_rewrite_domain",
  "append_at_myorigin",
  "append_dot_mydomain",
  "swap_bangpath",
  "allow_percent_hack",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type AddressFormSettings = SettingsOf<typeof ADDRESS_FORM_PARAMETERS>;

/** Puts addresses into the standard form user@full.domain (trivial-rewrite(8), "standard address form"). */
export interface AddressForm {
  /** Internal form in, internal form out. The null address stays null. */
  rewrite(address: string, context: ContextName): Address;
  /** The same on tokens, for the resolver; never called without tokens. */
  rewriteTokens(tokens: readonly Token[], context: ContextName): readonly Token[];
}

/** Complete and free of anything to rewrite: the common case costs one match. */
const STANDARD =
  /^[^\x00-\x20\x7f()<>@,;:\\".[\]%!|]+(?:\.[^\x00-\x20\x7f()<>@,;:\\".[\]%!|]+)*@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+$/;

/** Whether rewriting would leave an internal address as it is, whatever the settings. */
export function isStandardForm(address: string): boolean {
  return STANDARD.test(address);
}

/** External form of any text in internal form, a leading source route left alone; an empty local part is `""`. */
export function quoteWithRoute(address: string): string {
  const start = address.startsWith("@") ? address.indexOf(":") + 1 : 0;
  const at = address.lastIndexOf("@");
  const end = at < start ? address.length : at;
  return address.slice(0, start) + quoteLocal(address.slice(start, end)) + address.slice(end);
}

/** Builds the rewriting of one configuration. */
export function createAddressForm(settings: AddressFormSettings): AddressForm {
  const remote = settings.remote_header_rewrite_domain;
  const contexts: Readonly<Record<ContextName, RewriteContext>> = {
    local: { origin: settings.myorigin, domain: settings.mydomain },
    remote: { origin: remote, domain: remote },
  };
  const rewriteTokens = (tokens: readonly Token[], context: ContextName) =>
    applyRules(tokens, contexts[context], settings);
  return {
    rewriteTokens,
    rewrite(address, context) {
      if (address === "" || STANDARD.test(address)) return internalAddress(address);
      const tokens = scanTokens(quoteWithRoute(address));
      return tokens.length === 0
        ? NULL_ADDRESS
        : internalAddress(printTokens(rewriteTokens(tokens, context)));
    },
  };
}

function applyRules(
  tokens: readonly Token[],
  context: RewriteContext,
  settings: AddressFormSettings,
): readonly Token[] {
  if (tokens.length === 1 && tokens[0]!.type === "quoted" && tokens[0]!.text === "") return tokens;
  if (tokens.length === 1 && isOperator(tokens[0], "@")) return [{ type: "quoted", text: "" }];
  const routed = withoutSourceRoute(tokens);
  const qualified = lastOperator(routed, "@") < 0 ? withDomain(routed, context, settings) : routed;
  const full = settings.append_dot_mydomain ? withParentDomain(qualified, context.domain) : qualified;
  return withoutFinalDot(full);
}

/** `@a,@b:user@c` is `user@c` (RFC 5321 appendix C). */
function withoutSourceRoute(tokens: readonly Token[]): readonly Token[] {
  if (!isOperator(tokens[0], "@")) return tokens;
  const colon = firstOperator(tokens, ":");
  return colon < 0 || colon === tokens.length - 1 ? tokens : tokens.slice(colon + 1);
}

/** `site!user`, `user%site` and bare `user` get their `@`, in that order. */
function withDomain(
  tokens: readonly Token[],
  context: RewriteContext,
  settings: AddressFormSettings,
): readonly Token[] {
  const bang = settings.swap_bangpath ? firstOperator(tokens, "!") : -1;
  if (bang >= 0) return swapped(tokens, bang);
  const percent = settings.allow_percent_hack ? lastOperator(tokens, "%") : -1;
  if (percent >= 0) return tokens.with(percent, operator("@"));
  if (!settings.append_at_myorigin || context.origin === "") return tokens;
  return [...tokens, operator("@"), ...scanTokens(context.origin)];
}

/** `site!user` becomes `user@site`; nothing before the bang leaves its mark on how the rest is printed. */
function swapped(tokens: readonly Token[], bang: number): readonly Token[] {
  const moved = bang === 0 ? true : tokens[0]!.moved;
  const front = [...tokens.slice(bang + 1), operator("@")].map(({ type, text }) => ({ type, text, moved }));
  return [...front, ...tokens.slice(0, bang)];
}

/** A domain without a dot gets the parent domain; `user@` and `user@[literal]` stay (append_dot_mydomain). */
function withParentDomain(tokens: readonly Token[], domain: string): readonly Token[] {
  const at = lastOperator(tokens, "@");
  if (domain === "" || at < 0 || at === tokens.length - 1) return tokens;
  const rest = tokens.slice(at);
  if (rest.some((token) => token.type === "literal" || isOperator(token, "."))) return tokens;
  return [...tokens, operator("."), ...scanTokens(domain)];
}

/** One final dot goes, but `..` and `@.` stay: they make better diagnostics. */
function withoutFinalDot(tokens: readonly Token[]): readonly Token[] {
  const before = tokens[tokens.length - 2];
  const dropped = isOperator(tokens[tokens.length - 1], ".") && before !== undefined &&
    !isOperator(before, ".") && !isOperator(before, "@");
  return dropped ? tokens.slice(0, -1) : tokens;
}
