import { digest, randomBytes } from "../../platform/crypto/digest.ts";
import type { OAuthFile } from "../../sasl/client/oauth_file.ts";

/** What somebody is asked to agree to in a browser, and what its answer is held against (RFC 6749 §4.1, RFC 7636). */
export interface Agreement {
  readonly url: string;
  /** The form that turns an answer into tokens; or why it is none. */
  readonly formFor: (answer: string) => Readonly<Record<string, string>> | { readonly why: string };
}

/** Begins an agreement. */
export function beginAgreement(file: OAuthFile): Agreement {
  const [state, verifier] = [randomBytes(16).toString("base64url"), randomBytes(32).toString("base64url")];
  const { redirectUri: redirect, scope, clientId } = file;
  const url = new URL(file.authorizationEndpoint);
  const asked = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirect,
    ...(scope !== "" && { scope }),
    state,
    code_challenge: digest("sha256", verifier).toString("base64url"),
    code_challenge_method: "S256",
    // Google gives a refresh token only so; others do not look at it.
    access_type: "offline",
    prompt: "consent",
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return {
    url: url.href,
    formFor: (answer) => {
      const code = codeIn(answer.trim(), state);
      return typeof code === "string"
        ? { grant_type: "authorization_code", code, redirect_uri: redirect, code_verifier: verifier }
        : code;
    },
  };
}

/** The code in the address that the browser came to, or the code itself. */
function codeIn(answer: string, state: string): string | { readonly why: string } {
  if (!URL.canParse(answer)) {
    return /^[\x21-\x7e]+$/.test(answer) ? answer : { why: "neither an address nor a code" };
  }
  const { searchParams } = new URL(answer);
  const error = searchParams.get("error");
  if (error !== null) {
    return { why: `it was not agreed to: ${error.replace(/[^\x20-\x7e]/g, "?").slice(0, 100)}` };
  }
  if (searchParams.get("state") !== state) return { why: "the address belongs to another attempt" };
  return searchParams.get("code") ?? { why: "the address has no code in it" };
}
