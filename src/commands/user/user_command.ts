import type { LightConfiguration } from "../../config/read_settings.ts";
import { splitList } from "../../config/syntax/list.ts";
import { standardInputLines } from "../../platform/process/standard_input.ts";
import { askHidden, isTypedIn } from "../../platform/process/terminal.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { isPassword } from "../../sasl/password/check_password.ts";
import { MADE_SCHEMES, type MadeScheme, storedForm } from "../../sasl/password/make_password.ts";
import { parseStored, type StoredPassword } from "../../sasl/password/stored_password.ts";
import type { CommandContext } from "../command.ts";
import { askService } from "../../master/control/control_client.ts";
import { failed, settingsOf } from "../service_control.ts";
import { parseUserArguments, USER_HELP, type UserAction, type UserRequest } from "./_arguments.ts";
import { UserFault } from "./_fault.ts";
import { changeUser, openUsersFile, type UsersFile, usersFile } from "./_users_file.ts";
import { hasUser } from "./_users_text.ts";

const USAGE = 64;

/** `mta user`: who may log in where smtpd_sasl_type = internal. */
export async function user(context: CommandContext): Promise<number> {
  const request = parseUserArguments(context.args);
  if (request === "help") return (writeOut(USER_HELP), 0);
  if ("why" in request) return fail(`${request.why} ("mta user --help" says more)`, USAGE);
  const configuration = settingsOf(context, [
    "sasl_users",
    "sasl_mechanisms",
    "mail_owner",
    "queue_directory",
  ]);
  if (configuration === undefined) return 1;
  try {
    const file = usersFile(configuration);
    return await ACTIONS[request.action]({ request, configuration, file });
  } catch (error) {
    if (error instanceof UserFault) return fail(error.message, 1);
    throw error;
  }
}

function fail(text: string, status: number): number {
  writeErr(`mta user: fatal: ${text}\n`);
  return status;
}

interface Call {
  readonly request: UserRequest;
  readonly configuration: LightConfiguration;
  readonly file: UsersFile;
}

const ACTIONS: Readonly<Record<UserAction, (call: Call) => Promise<number>>> = {
  add: (call) =>
    setPassword(
      call,
      (text) =>
        hasUser(text, call.request.name)
          ? `${call.request.name} is in ${call.file.path} already: "mta user passwd" changes the password`
          : undefined,
    ),
  passwd: (call) => setPassword(call, absence(call)),
  remove: async (call) => {
    const { request, configuration, file } = call;
    await changeUser(file, configuration, request.name, undefined, absence(call));
    return done(call, { removed: true });
  },
  list,
  test,
  release,
};

/** Lets go what was held for the user's sending limits (user_hourly_message_limit and its kin). */
async function release(call: Call): Promise<number> {
  const { configuration: { settings }, request: { name: user, json } } = call;
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "release",
    args: { user },
  });
  if (answer.is !== "done") return failed(answer, { settings });
  if (json) done(call, { released: answer.value });
  else writeOut(`${answer.value} released\n`);
  return 0;
}

/** Says that the user is not there, when that is so. */
function absence({ request, file }: Call): (text: Buffer) => string | undefined {
  return (text) => hasUser(text, request.name) ? undefined : `${request.name} is not in ${file.path}`;
}

async function setPassword(call: Call, judge: (text: Buffer) => string | undefined): Promise<number> {
  const { request, configuration, file } = call;
  const password = askPassword(request.name, true);
  const schemes = request.schemes.length > 0
    ? request.schemes
    : neededSchemes(configuration.settings.sasl_mechanisms);
  const stored: string[] = [];
  // {PLAIN} takes all that follows it.
  const inOrder = MADE_SCHEMES.filter((scheme) => schemes.includes(scheme));
  for (const scheme of inOrder) {
    const form = await storedForm(password, scheme);
    if (form === undefined) {
      throw new UserFault("a password has no control characters, nor blanks at its ends");
    }
    stored.push(form);
  }
  await changeUser(file, configuration, request.name, stored.join(" "), judge);
  return done(call, { schemes: inOrder });
}

/** What the mechanisms need. */
function neededSchemes(mechanisms: string): readonly MadeScheme[] {
  const names = new Set(splitList(mechanisms).map((name) => name.toUpperCase()));
  const scram = names.has("SCRAM-SHA-256") || names.has("SCRAM-SHA-256-PLUS");
  const schemes: MadeScheme[] = names.has("CRAM-MD5") ? ["PLAIN"] : [];
  if (scram) schemes.push("SCRAM-SHA-256");
  return schemes.length > 0 ? schemes : ["ARGON2ID"];
}

/** The password, asked for on the terminal (twice where it is new) or the first line of standard input. */
function askPassword(name: string, isNew: boolean): string {
  if (!isTypedIn()) {
    const [line] = standardInputLines();
    if (line === undefined) throw new UserFault("no password on standard input");
    return line.toString("utf8").replace(/\r$/, "");
  }
  const password = askHidden(`Password of ${name}: `);
  if (password === undefined) throw new UserFault("given up; nothing is changed");
  if (isNew && askHidden("Again: ") !== password) {
    throw new UserFault("the two are not the same; nothing is changed");
  }
  return password;
}

function done({ request, file }: Call, more: object): number {
  const { action, name } = request;
  if (request.json) writeOut(`${JSON.stringify({ user: name, file: file.path, action, ...more })}\n`);
  return 0;
}

interface ListedUser {
  readonly user: string;
  readonly schemes: readonly string[];
  readonly mechanisms: readonly string[];
  /** Why the entry is no use. */
  readonly problem?: string;
}

async function list({ request, configuration, file }: Call): Promise<number> {
  const table = openUsersFile(file, configuration);
  const entries = table.entries?.();
  if (entries === undefined) {
    const answer = await table.lookup("no-such-user@invalid");
    throw new UserFault(answer.is === "trouble" ? answer.why : `${file.spec} cannot be listed`);
  }
  const wanted = splitList(configuration.settings.sasl_mechanisms).map((name) => name.toUpperCase());
  const users = [...entries].map(([name, value]) => listed(name, value, wanted))
    .sort((one, other) => one.user < other.user ? -1 : 1);
  table.close();
  if (request.json) writeOut(`${JSON.stringify({ file: file.path, users })}\n`);
  else writeOut(users.map(userLine).join(""));
  return 0;
}

function userLine({ user: name, schemes, mechanisms, problem }: ListedUser): string {
  return `${name.padEnd(32)} ${problem ?? `${schemes.join(" ")} (${mechanisms.join(" ")})`}\n`;
}

function listed(name: string, value: string, wanted: readonly string[]): ListedUser {
  const stored = parseStored(value);
  if ("is" in stored) return { user: name, schemes: [], mechanisms: [], problem: stored.why };
  return {
    user: name,
    schemes: stored.map(schemeName),
    mechanisms: wanted.filter((mechanism) => canUse(mechanism, stored)),
  };
}

function schemeName(stored: StoredPassword): string {
  switch (stored.is) {
    case "crypt":
      return /^\$[^$]*\$/.exec(stored.hash)?.[0] ?? "crypt";
    case "digest":
      return stored.salt.length > 0 ? `salted ${stored.name}` : stored.name;
    case "scram":
      return "scram-sha-256";
    default:
      return stored.is;
  }
}

function canUse(mechanism: string, stored: readonly StoredPassword[]): boolean {
  const has = (...kinds: readonly StoredPassword["is"][]) => stored.some(({ is }) => kinds.includes(is));
  if (mechanism === "PLAIN" || mechanism === "LOGIN") return true;
  if (mechanism.startsWith("SCRAM-SHA-256")) return has("scram", "plain");
  return mechanism === "CRAM-MD5" && has("plain");
}

async function test(call: Call): Promise<number> {
  const { request, configuration, file } = call;
  const table = openUsersFile(file, configuration);
  const answer = await table.lookup(request.name);
  table.close();
  if (answer.is === "trouble") throw new UserFault(answer.why);
  if (answer.is === "absent") throw new UserFault(`${request.name} is not in ${file.path}`);
  const stored = parseStored(answer.value);
  if ("is" in stored) throw new UserFault(`the entry of ${request.name} in ${file.path}: ${stored.why}`);
  const right = await isRight(askPassword(request.name, false), stored[0]!);
  if (request.json) done(call, { right });
  else writeOut(right ? "the password is right\n" : "the password is wrong\n");
  return right ? 0 : 1;
}

async function isRight(password: string, stored: StoredPassword): Promise<boolean> {
  try {
    return await isPassword(password, stored);
  } catch (error) {
    throw new UserFault(
      stored.is === "ldap" ? "the directory has the password: ldapwhoami(1) asks it" : systemErrorText(error),
    );
  }
}
