import { readSmallFile } from "../../platform/file/small_files.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { CheckToken } from "../mechanism/oauth.ts";
import { type LentSecrets, secretText } from "../password/secret_text.ts";
import { type AskHttp, createIntrospection } from "./introspection.ts";
import { createJwtChecker } from "./jwt_checker.ts";
import { KeySet, type ReadKeys } from "./key_set.ts";
import type { OAuthSettings } from "./oauth_settings.ts";

const [TIMEOUT, LIMIT] = [10_000, 1 << 20];

/** What checking tokens takes of the world. */
export interface TokenWorld {
  readonly ask: AskHttp;
  /** Files that only root may read. */
  readonly files: LentSecrets;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Checks tokens as the settings say. */
export function createTokenChecker(
  { rules, authority }: OAuthSettings,
  { ask, now, files }: TokenWorld,
): CheckToken {
  if (authority.is === "introspection") {
    return createIntrospection(authority.url, () => secretText(authority.login, files), rules, ask);
  }
  const read = authority.remote ? remote(authority.from, ask) : local(authority.from);
  return createJwtChecker(new KeySet(read, now), rules, now);
}

function local(path: string): ReadKeys {
  return async () => {
    try {
      return { text: Buffer.from(readSmallFile(path)).toString("utf8") };
    } catch (error) {
      return { why: `open ${path}: ${systemErrorText(error)}` };
    }
  };
}

function remote(url: string, ask: AskHttp): ReadKeys {
  return async () => {
    const result = await ask({ url, timeout: TIMEOUT, limit: LIMIT });
    if (result.is === "trouble") return { why: result.why };
    return result.status === 200 ? { text: result.text } : { why: `answer ${result.status}` };
  };
}
