import { errors, type JWTPayload, jwtVerify, type LocalJWKSet } from "jose";
import type { PasswordVerdict } from "../mechanism/exchange.ts";
import { isExpected, usernameIn } from "./token_claims.ts";
import type { KeySet } from "./key_set.ts";
import type { TokenRules } from "./oauth_settings.ts";

/** Signatures by a key of two halves: who checks them could not have made them. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/** Clocks differ. */
const TOLERANCE = 60;

/** Checks tokens that are signed (RFC 7519, RFC 9068). */
export function createJwtChecker(
  keys: KeySet,
  rules: TokenRules,
  now: () => number,
): (token: string, username: string) => Promise<PasswordVerdict> {
  return async (token, username) => {
    const current = await keys.current();
    if (!isKeys(current)) return { is: "trouble", why: `sasl_oauth_keys: ${current.why}` };
    let claims = await claimsOf(token, current, rules, now);
    if (claims === "unknown key" && await keys.renewed()) {
      const newer = await keys.current();
      claims = isKeys(newer) ? await claimsOf(token, newer, rules, now) : "refused";
    }
    if (typeof claims === "string") return { is: "refused" };
    const name = usernameIn(claims, rules);
    return name !== undefined && isExpected(name, username)
      ? { is: "accepted", username: name }
      : { is: "refused" };
  };
}

function isKeys(keys: LocalJWKSet | { readonly why: string }): keys is LocalJWKSet {
  return typeof keys === "function";
}

/** What a good token says. Whatever is wrong with another one is nobody's business but its owner's. */
async function claimsOf(
  token: string,
  keys: LocalJWKSet,
  { issuer, audiences }: TokenRules,
  now: () => number,
): Promise<JWTPayload | "refused" | "unknown key"> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience: [...audiences],
      clockTolerance: TOLERANCE,
      requiredClaims: ["exp"],
      currentDate: new Date(now()),
    });
    return payload;
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey ? "unknown key" : "refused";
  }
}
