import type { LoginBan } from "../../anvil/login_ledger.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService } from "../../master/control/control_client.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { failed, settingsOf } from "../service_control.ts";

const HELP = `usage: mta [-c config_dir] ban list [--json]
       mta [-c config_dir] ban remove [--json] WHAT... | ALL

Addresses, networks and users that may not log in for a time, since too many
logins have failed: login_failure_limit, login_failure_network_limit,
login_failure_user_limit, login_failure_time_unit, login_ban_time. Who is in
login_failure_exceptions (mynetworks) is never there. Mail is not concerned: a
client that is listed may still deliver to us.

  list         tell who, why, and until when
  remove WHAT  let it log in again, and forget its failures; WHAT as list has it
  --json       one JSON object

Bans outlive a reload, not a restart.
Exit status: 0 done; 1 WHAT was not there, or nobody could be asked; 64 usage.
`;

const USAGE = 64;

/** `mta ban`: who is shut out after failed logins. */
export async function ban(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args.some((arg) => arg === "--help" || arg === "-h")) return (writeOut(HELP), 0);
  const [action, ...names] = args.filter((arg) => arg !== "--json");
  const why = mistake(action, names);
  if (why !== undefined) {
    writeErr(`mta ban: fatal: ${why} ("mta ban --help" says more)\n`);
    return USAGE;
  }
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const json = args.includes("--json");
  return action === "list" ? await list(configuration, json) : await remove(configuration, names, json);
}

function mistake(action: string | undefined, names: readonly string[]): string | undefined {
  if (action !== "list" && action !== "remove") {
    return action === undefined ? "say what to do" : `unknown action: "${action}"`;
  }
  const option = names.find((name) => name.startsWith("-"));
  if (option !== undefined) return `unknown option: "${option}"`;
  if (action === "list") return names.length > 0 ? `too many words: "${names[0]}"` : undefined;
  return names.length === 0 ? "say whose ban to remove" : undefined;
}

type Settings = Pick<LightConfiguration, "settings">;

async function list({ settings }: Settings, json: boolean): Promise<number> {
  const bans: LoginBan[] = [];
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "bans",
    args: {},
    row: (ban) => void bans.push(ban),
  });
  if (answer.is !== "done") return failed(answer, { settings });
  writeOut(json ? `${JSON.stringify({ bans })}\n` : bans.map(banLine).join(""));
  return 0;
}

function banLine({ kind, what, failures, until }: LoginBan): string {
  const time = `${new Date(until).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return `${kind.padEnd(8)} ${what.padEnd(40)} ${failures} failed, until ${time}\n`;
}

async function remove({ settings }: Settings, names: readonly string[], json: boolean): Promise<number> {
  const all = names.includes("ALL");
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "unban",
    args: { all },
    items: all ? [] : names.map((name) => name.toLowerCase()),
  });
  if (answer.is !== "done") return failed(answer, { settings });
  const removed = answer.value;
  if (json) writeOut(`${JSON.stringify({ removed })}\n`);
  if (all || removed === new Set(names).size) return 0;
  if (!json) writeErr(`mta ban: ${removed} of ${names.length} removed: the others were not there\n`);
  return 1;
}
