import { askHttp } from "../../platform/socket/http_client.ts";
import { standardInputLines } from "../../platform/process/standard_input.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { type OAuthFile, readOAuthFile } from "../../sasl/client/oauth_file.ts";
import { requestTokens } from "../../sasl/client/token_request.ts";
import { stateOf, TokenSource } from "../../sasl/client/token_source.ts";
import { parseState, printState } from "../../sasl/client/token_state.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { beginAgreement } from "./_agreement.ts";

const HELP = `usage: mta [-c config_dir] oauth ACTION [--json] FILE

Tokens for logins at other servers: an entry of smtp_sasl_password_maps
  [smtp.gmail.com]:587  ann@example.com:oauth:/etc/mta/gmail.json
takes them as FILE says, an object of JSON:
  token_endpoint          URL that gives tokens (needed)
  client_id               what the issuer knows this server by (needed)
  client_secret           its secret, or "file:/path"
  authorization_endpoint  URL where somebody agrees, for "login"
  scope, redirect_uri     as registered with the issuer
  grant                   "refresh_token" (default) or "client_credentials"

  login FILE   ask somebody to agree in a browser, and keep the refresh token
  test FILE    fetch a token now, and tell how long it is good

Tokens are kept in data_directory/oauth, for the service alone. --json: one JSON
object.
Exit status: 0 a token is there; 1 not; 64 wrong usage.
`;

const USAGE = 64;
const now = () => Date.now();
/** How long a process of the service that has the lock is waited for. */
const PATIENCE = 30_000;

interface Call {
  readonly path: string;
  readonly file: OAuthFile;
  readonly dataDirectory: string;
  readonly json: boolean;
}

const ACTIONS: Readonly<Record<string, (call: Call) => Promise<number>>> = { login, test };

/** `mta oauth`: tokens for logins at other servers. */
export async function oauth(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args.includes("--help") || args.includes("-h")) return (writeOut(HELP), 0);
  const [action = "", path = "", ...more] = args.filter((arg) => arg !== "--json");
  const act = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (act === undefined) return fail(`unknown action: "${action}" ("mta oauth --help" says more)`, USAGE);
  if (!path.startsWith("/") || more.length > 0) return fail("name one file, from / on", USAGE);
  const file = readOAuthFile(path, {});
  if ("why" in file) return fail(file.why, 1);
  const configuration = settingsOf(context, ["data_directory"]);
  if (configuration === undefined) return 1;
  const dataDirectory = configuration.settings.data_directory;
  try {
    return await act({ path, file, dataDirectory, json: args.includes("--json") });
  } catch (error) {
    return fail(`${dataDirectory}: ${systemErrorText(error)}`, 1);
  }
}

function fail(text: string, status: number): number {
  writeErr(`mta oauth: fatal: ${text}\n`);
  return status;
}

async function login({ path, file, dataDirectory, json }: Call): Promise<number> {
  if (file.grant === "client_credentials") {
    return fail(`${path}: client credentials need nobody's agreement`, 1);
  }
  if (file.authorizationEndpoint === "") return fail(`${path}: "authorization_endpoint" is missing`, 1);
  const agreement = beginAgreement(file);
  writeErr(`Open this address in a browser and agree:\n\n${agreement.url}\n\n`);
  writeErr(
    "Then paste the address that the browser has come to (that nothing answers there is as it should be):\n",
  );
  const [answer] = standardInputLines();
  const form = agreement.formFor(answer?.toString("utf8") ?? "");
  if ("why" in form && typeof form.why === "string") return fail(form.why, 1);
  const result = await requestTokens(file, form, "", { ask: askHttp, now, files: {} });
  if (result.is === "failed") return fail(result.why, 1);
  if (result.state.refreshToken === "") return fail("the issuer gave no refresh token: it would not last", 1);
  const state = stateOf(path, dataDirectory);
  const kept = await state.locked(PATIENCE, async () => (state.write(printState(result.state)), true));
  if (kept !== true) return fail(`${state.path} is in use`, 1);
  return told(path, result.state.expires, json);
}

async function test({ path, dataDirectory, json }: Call): Promise<number> {
  const known = parseState(stateOf(path, dataDirectory).read());
  const source = new TokenSource({ dataDirectory, ask: askHttp, now, files: {} });
  const token = await source.current(path, known.accessToken);
  return "why" in token ? fail(token.why, 1) : told(path, token.expires, json);
}

function told(path: string, expires: number, json: boolean): number {
  const seconds = Math.round((expires - now()) / 1000);
  if (json) {
    writeOut(`${JSON.stringify({ file: path, expires: new Date(expires).toISOString(), seconds })}\n`);
  } else writeOut(`there is a token, good for ${seconds} seconds\n`);
  return 0;
}
