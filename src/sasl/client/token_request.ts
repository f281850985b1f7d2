import type { HttpRequest, HttpResult } from "../../platform/socket/http_client.ts";
import { type LentSecrets, secretText } from "../password/secret_text.ts";
import type { OAuthFile } from "./oauth_file.ts";
import type { TokenState } from "./token_state.ts";

/** Asks a web server. */
export type AskHttp = (request: HttpRequest) => Promise<HttpResult>;

const [TIMEOUT, LIMIT] = [20_000, 65_536];
/** How long a token is good whose issuer does not say (RFC 6749 §5.1), in seconds. */
const USUAL_LIFE = 300;
const LONGEST_LIFE = 86_400;

/** New tokens; or why there are none: `final` where asking again will not help, as with a token that was revoked. */
export type TokenResult =
  | { readonly is: "tokens"; readonly state: TokenState }
  | { readonly is: "failed"; readonly why: string; readonly final: boolean };

/** Asks for an access token, by what the grant has (RFC 6749 §4.4, §6) or by the code that people's agreement has brought (§4.1.3). */
export async function requestTokens(
  file: OAuthFile,
  grant: Readonly<Record<string, string>>,
  known: string,
  { ask, now, files }: { readonly ask: AskHttp; readonly now: () => number; readonly files: LentSecrets },
): Promise<TokenResult> {
  const secret = secretText(file.clientSecret, files);
  if (typeof secret !== "string") return { is: "failed", why: secret.why, final: false };
  const form = { client_id: file.clientId, ...(secret !== "" && { client_secret: secret }), ...grant };
  const result = await ask({ url: file.tokenEndpoint, form, timeout: TIMEOUT, limit: LIMIT });
  if (result.is === "trouble") return { is: "failed", why: result.why, final: false };
  const answer = recordIn(result.text);
  const { access_token: access, refresh_token: refresh, expires_in: life, error } = answer;
  if (result.status === 200 && typeof access === "string" && access !== "") {
    const seconds = Number.isFinite(Number(life)) && life !== undefined ? Number(life) : USUAL_LIFE;
    const expires = now() + 1000 * Math.min(Math.max(seconds, 0), LONGEST_LIFE);
    const refreshToken = typeof refresh === "string" && refresh !== "" ? refresh : known;
    return { is: "tokens", state: { accessToken: access, expires, refreshToken } };
  }
  const word = typeof error === "string" && /^[\x20-\x7e]{1,100}$/.test(error)
    ? error
    : `answer ${result.status}`;
  return {
    is: "failed",
    why: `${new URL(file.tokenEndpoint).host}: ${word}`,
    final: error === "invalid_grant",
  };
}

/** The form that asks for the next access token; undefined where there is nothing to ask with. */
export function grantOf(file: OAuthFile, refreshToken: string): Readonly<Record<string, string>> | undefined {
  if (file.grant === "client_credentials") {
    return { grant_type: "client_credentials", ...(file.scope !== "" && { scope: file.scope }) };
  }
  return refreshToken === "" ? undefined : { grant_type: "refresh_token", refresh_token: refreshToken };
}

function recordIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
