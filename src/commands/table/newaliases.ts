import { configurationDirectory } from "../../config/directory.ts";
import { splitList } from "../../config/syntax/list.ts";
import { readSettings } from "../../config/read_settings.ts";
import { realWorld } from "../../config/world.ts";
import { ownProcessId } from "../../platform/host.ts";
import { environment, environmentVariables, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { postalias } from "./postalias.ts";

/** Options of sendmail -bi that change nothing here, with their argument in the same word or none. */
const IGNORED = /^-(?:v+|o.*|C.*|I|bi)$/;

const HELP = `usage: mta newaliases [-c config_dir]
Makes the tables of alias_database (main.cf) anew: "mta postalias" for each.
Options of sendmail(1) are taken and change nothing. See also newaliases(1).
`;

/** `mta newaliases`: makes the tables of `alias_database` anew (newaliases(1), sendmail -bi). */
export async function newaliases(context: CommandContext): Promise<number> {
  const { args } = context;
  const at = args.indexOf("-c");
  const directory = configurationDirectory(at < 0 ? context.configDirectory : args[at + 1], environment);
  const rest = args.filter((_, place) => at < 0 || (place !== at && place !== at + 1));
  if (rest.includes("--help")) return (writeOut(HELP), 0);
  const stray = rest.find((arg) => !IGNORED.test(arg));
  if (stray !== undefined) {
    return await postalias({ ...context, args: [stray.startsWith("-") ? stray : "-?"] });
  }
  const { parameter } = readSettings({
    directory,
    world: realWorld(ownProcessId(), "postalias"),
    environment: environmentVariables(),
  });
  const tables = splitList(parameter("alias_database") ?? "");
  if (tables.length === 0) return 0;
  return await postalias({ ...context, configDirectory: directory, args: ["--", ...tables] });
}
