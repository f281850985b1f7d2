/** What is remembered of the tokens of a login. */
export interface TokenState {
  /** "" for none. */
  readonly accessToken: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
  /** The last one that was given; issuers may change it at every use. "" for none. */
  readonly refreshToken: string;
}

export const NO_TOKENS: TokenState = { accessToken: "", expires: 0, refreshToken: "" };

/** Reads it; what cannot be read is nothing to remember. */
export function parseState(text: string | undefined): TokenState {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (typeof value !== "object" || value === null) return NO_TOKENS;
    const { access_token: access, expires, refresh_token: refresh } = {
      access_token: "",
      expires: 0,
      refresh_token: "",
      ...value,
    };
    return typeof access === "string" && typeof expires === "number" && typeof refresh === "string"
      ? { accessToken: access, expires, refreshToken: refresh }
      : NO_TOKENS;
  } catch {
    return NO_TOKENS;
  }
}

/** Writes it. */
export function printState({ accessToken, expires, refreshToken }: TokenState): string {
  return `${JSON.stringify({ access_token: accessToken, expires, refresh_token: refreshToken })}\n`;
}
