import { basename } from "node:path";
import { digest } from "../../platform/crypto/digest.ts";
import { PrivateState } from "../../platform/file/private_state.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { LentSecrets } from "../password/secret_text.ts";
import { type OAuthFile, readOAuthFile } from "./oauth_file.ts";
import { type AskHttp, grantOf, requestTokens } from "./token_request.ts";
import { parseState, printState, type TokenState } from "./token_state.ts";

/** A token has to be good for the rest of the dialogue: so long before its end it counts as over, in milliseconds. */
const EARLY = 60_000;
/** How long a failure stands before the issuer is asked again. */
const PAUSE = 30_000;
/** How long another process that asks is waited for. */
const PATIENCE = 25_000;

/** A token, or why there is none. */
export type Token = { readonly token: string; readonly expires: number } | { readonly why: string };

/** What a source of tokens takes of the world. */
export interface TokenSourceWorld {
  /** data_directory: what is remembered lies below it, for the service alone. */
  readonly dataDirectory: string;
  readonly ask: AskHttp;
  /** Files that only root may read. */
  readonly files: LentSecrets;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Where the states lie, below data_directory. */
export const TOKEN_FOLDER = "oauth";

/** Where the state of a file's tokens lies. */
export function stateOf(path: string, dataDirectory: string): PrivateState {
  const name = basename(path).replace(/[^A-Za-z0-9._-]/g, "_");
  return new PrivateState(
    `${dataDirectory}/${TOKEN_FOLDER}`,
    `${name}-${digest("sha256", path).toString("hex").slice(0, 8)}`,
  );
}

/** Tokens for logins at other servers: fetched when they are needed, shared by all workers, kept until they are over. */
export class TokenSource {
  readonly #world: TokenSourceWorld;
  readonly #failed = new Map<string, { readonly at: number; readonly why: string }>();
  readonly #asking = new Map<string, Promise<Token>>();

  constructor(world: TokenSourceWorld) {
    this.#world = world;
  }

  /** A token that is good for a while. `refused`: one that a server did not take, though it was to be good. */
  async current(path: string, refused?: string): Promise<Token> {
    const failed = this.#failed.get(path);
    if (failed !== undefined && this.#world.now() - failed.at < PAUSE) return { why: failed.why };
    const asking = this.#asking.get(path) ??
      this.#find(path, refused).finally(() => this.#asking.delete(path));
    this.#asking.set(path, asking);
    const token = await asking;
    if ("why" in token) this.#failed.set(path, { at: this.#world.now(), why: token.why });
    else this.#failed.delete(path);
    return token;
  }

  async #find(path: string, refused: string | undefined): Promise<Token> {
    const file = readOAuthFile(path, this.#world.files);
    if ("why" in file) return file;
    try {
      const state = stateOf(path, this.#world.dataDirectory);
      const known = parseState(state.read());
      if (this.#isGood(known, refused)) return tokenOf(known);
      const renewed = await state.locked(PATIENCE, () => this.#renew(path, file, state, refused));
      return renewed ?? { why: "another process asks for a token, and has had no answer yet" };
    } catch (error) {
      return { why: `${this.#world.dataDirectory}/${TOKEN_FOLDER}: ${systemErrorText(error)}` };
    }
  }

  /** Under the lock: another process may have been quicker, and a refresh token may be good for one use only. */
  async #renew(
    path: string,
    file: OAuthFile,
    state: PrivateState,
    refused: string | undefined,
  ): Promise<Token> {
    const known = parseState(state.read());
    if (this.#isGood(known, refused)) return tokenOf(known);
    const refreshToken = known.refreshToken || file.refreshToken;
    const grant = grantOf(file, refreshToken);
    if (grant === undefined) return { why: `no refresh token yet: "mta oauth login ${path}" gets one` };
    const result = await requestTokens(file, grant, refreshToken, this.#world);
    if (result.is === "failed") {
      return { why: result.final ? `${result.why}: "mta oauth login ${path}" gets a new one` : result.why };
    }
    state.write(printState(result.state));
    return tokenOf(result.state);
  }

  #isGood({ accessToken, expires }: TokenState, refused: string | undefined): boolean {
    return accessToken !== "" && accessToken !== refused && expires - this.#world.now() >= EARLY;
  }
}

function tokenOf({ accessToken, expires }: TokenState): Token {
  return { token: accessToken, expires };
}
