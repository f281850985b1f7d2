import type { TokenRules } from "./oauth_settings.ts";

/** The login name that a token stands for, in lower case; undefined for none. An address that its owner has not proved is none. */
export function usernameIn(
  claims: Readonly<Record<string, unknown>>,
  { userClaim }: TokenRules,
): string | undefined {
  const name = claims[userClaim];
  if (typeof name !== "string" || name === "" || name.length > 320 || /[\x00-\x20\x7f]/.test(name)) {
    return undefined;
  }
  return userClaim === "email" && claims.email_verified === false ? undefined : name.toLowerCase();
}

/** Whether the name that the client has given, if any, is the token's. */
export function isExpected(name: string, given: string): boolean {
  return given === "" || given.toLowerCase() === name;
}
