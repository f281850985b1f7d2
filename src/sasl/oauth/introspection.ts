import type { HttpRequest, HttpResult } from "../../platform/socket/http_client.ts";
import { BUSY, Gate } from "../password/gate.ts";
import type { PasswordVerdict } from "../mechanism/exchange.ts";
import type { TokenRules } from "./oauth_settings.ts";
import { isExpected, usernameIn } from "./token_claims.ts";

/** Asks a web server. */
export type AskHttp = (request: HttpRequest) => Promise<HttpResult>;

const [TIMEOUT, LIMIT] = [10_000, 65_536];
/** Clients send what tokens they like: so many questions at a time are enough for an issuer. */
const GATE = { parallel: 8, waiting: 100 };

/** Asks the issuer of each token whether it is good (RFC 7662). */
export function createIntrospection(
  url: string,
  login: () => string | { readonly why: string },
  rules: TokenRules,
  ask: AskHttp,
): (token: string, username: string) => Promise<PasswordVerdict> {
  const gate = new Gate(GATE);
  return async (token, username) => {
    const basic = login();
    if (typeof basic !== "string") return trouble(basic.why);
    const form = { token, token_type_hint: "access_token" };
    const request = { url, form, basic: basic || undefined, timeout: TIMEOUT, limit: LIMIT };
    const result = await gate.pass(() => ask(request));
    if (result === BUSY) return trouble("too many tokens to ask about at a time");
    if (result.is === "trouble") return trouble(result.why);
    if (result.status !== 200) return trouble(`answer ${result.status}`);
    const claims = recordIn(result.text);
    if (claims === undefined) return trouble("the answer is no JSON object");
    const name = claims.active === true && isMeant(claims, rules) ? usernameIn(claims, rules) : undefined;
    return name !== undefined && isExpected(name, username)
      ? { is: "accepted", username: name }
      : { is: "refused" };
  };
}

function trouble(why: string): PasswordVerdict {
  return { is: "trouble", why: `sasl_oauth_introspection: ${why}` };
}

function recordIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The issuer and the audience where they are set: an issuer serves many. */
function isMeant(claims: Readonly<Record<string, unknown>>, { issuer, audiences }: TokenRules): boolean {
  const said = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  return (issuer === "" || claims.iss === issuer) &&
    (audiences.length === 0 || said.some((each) => audiences.some((wanted) => wanted === each)));
}
