import { isSafeUrl } from "../../platform/socket/http_client.ts";
import { type LentSecrets, readSecret } from "../password/secret_text.ts";

/** How tokens for a login are got: what the operator writes, `/etc/postfix/gmail.json`. */
export interface OAuthFile {
  readonly tokenEndpoint: string;
  /** Where people agree, for `mta oauth login`; "" for none. */
  readonly authorizationEndpoint: string;
  readonly clientId: string;
  /** A secret, or `file:/path`. */
  readonly clientSecret: string;
  readonly scope: string;
  readonly grant: "refresh_token" | "client_credentials";
  /** Where the browser is sent when people have agreed. */
  readonly redirectUri: string;
  /** One that came some other way than by `mta oauth login`; "" for none. */
  readonly refreshToken: string;
}

const FIELDS = {
  token_endpoint: true,
  authorization_endpoint: false,
  client_id: true,
  client_secret: false,
  scope: false,
  grant: false,
  redirect_uri: false,
  refresh_token: false,
} as const;

type Fields = Partial<Record<keyof typeof FIELDS, string>>;

/** Reads such a file; or why it is none. Secrets stand in no reason. */
export function readOAuthFile(path: string, files: LentSecrets): OAuthFile | { readonly why: string } {
  const read = readSecret(path, files);
  if ("why" in read) return read;
  const parsed = parseOAuthFile(read.text);
  return "why" in parsed ? { why: `${path}: ${parsed.why}` } : parsed;
}

/** Reads the text of such a file. */
export function parseOAuthFile(text: string): OAuthFile | { readonly why: string } {
  const fields = fieldsIn(text);
  if ("why" in fields) return fields;
  const { token_endpoint: tokenEndpoint = "", authorization_endpoint: authorizationEndpoint = "" } = fields;
  for (const url of [tokenEndpoint, authorizationEndpoint]) {
    if (url !== "" && !isSafeUrl(url)) return { why: `"${url}" is no https: URL` };
  }
  const grant = fields.grant ?? "refresh_token";
  if (grant !== "refresh_token" && grant !== "client_credentials") {
    return { why: '"grant" is "refresh_token" or "client_credentials"' };
  }
  return {
    tokenEndpoint,
    authorizationEndpoint,
    clientId: fields.client_id ?? "",
    clientSecret: fields.client_secret ?? "",
    scope: fields.scope ?? "",
    grant,
    redirectUri: fields.redirect_uri ?? "http://127.0.0.1/",
    refreshToken: fields.refresh_token ?? "",
  };
}

function fieldsIn(text: string): Fields | { readonly why: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { why: "no JSON" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { why: "no JSON object" };
  for (const [name, field] of Object.entries(value)) {
    if (!(name in FIELDS)) return { why: `unknown field "${name}"` };
    if (typeof field !== "string") return { why: `"${name}" is no text` };
  }
  const missing = Object.entries(FIELDS).find(([name, needed]) => needed && !(name in value));
  return missing === undefined ? value : { why: `"${missing[0]}" is missing` };
}
