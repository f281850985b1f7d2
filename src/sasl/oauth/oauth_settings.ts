import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isSafeUrl } from "../../platform/socket/http_client.ts";

/** The settings of tokens. */
export const OAUTH_PARAMETERS = [
  "sasl_oauth_audience",
  "sasl_oauth_introspection",
  "sasl_oauth_introspection_login",
  "sasl_oauth_issuer",
  "sasl_oauth_keys",
  "sasl_oauth_user_claim",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type OAuthParameters = SettingsOf<typeof OAUTH_PARAMETERS>;

/** What a token must say, whoever vouches for it. */
export interface TokenRules {
  /** Any of these; empty: nobody asks. */
  readonly audiences: readonly string[];
  /** "" for any. */
  readonly issuer: string;
  /** The claim with the login name. */
  readonly userClaim: string;
}

/** Who vouches for tokens. */
export type TokenAuthority =
  /** A file with a key set (RFC 7517 §5), or its URL. */
  | { readonly is: "keys"; readonly from: string; readonly remote: boolean }
  | { readonly is: "introspection"; readonly url: string; readonly login: string };

/** What the settings come to; undefined where no tokens are taken, a text for what is wrong with them. */
export type OAuthSettings = { readonly rules: TokenRules; readonly authority: TokenAuthority };

/** Reads the settings. */
export function readOAuth(settings: OAuthParameters): OAuthSettings | undefined | { readonly why: string } {
  const rules: TokenRules = {
    audiences: splitList(settings.sasl_oauth_audience),
    issuer: settings.sasl_oauth_issuer,
    userClaim: settings.sasl_oauth_user_claim,
  };
  const { sasl_oauth_keys: from, sasl_oauth_introspection: url, sasl_oauth_introspection_login: login } =
    settings;
  if (from !== "" && url !== "") {
    return { why: "sasl_oauth_keys and sasl_oauth_introspection are both set: one decides" };
  }
  if (url !== "") {
    return isSafeUrl(url)
      ? { rules, authority: { is: "introspection", url, login } }
      : { why: `sasl_oauth_introspection: "${url}" is no https: URL` };
  }
  if (from === "") return undefined;
  if (rules.audiences.length === 0 || rules.issuer === "") {
    return {
      why:
        "sasl_oauth_keys needs sasl_oauth_issuer and sasl_oauth_audience: tokens for others are signed by the same keys",
    };
  }
  if (from.startsWith("/")) return { rules, authority: { is: "keys", from, remote: false } };
  return isSafeUrl(from)
    ? { rules, authority: { is: "keys", from, remote: true } }
    : { why: `sasl_oauth_keys: "${from}" is neither a file (/...) nor an https: URL` };
}
