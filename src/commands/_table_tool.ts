import { ConfigurationFault } from "../config/diagnostic.ts";
import { configurationDirectory } from "../config/directory.ts";
import { readSettings } from "../config/read_settings.ts";
import { realWorld } from "../config/world.ts";
import { ownProcessId } from "../platform/host.ts";
import { environment, environmentVariables, rawArguments, writeErr, writeOut } from "../platform/process.ts";
import type { TableContext } from "../table/context.ts";
import type { CommandContext } from "./command.ts";
import type { ToolRun } from "./_table_run.ts";
import { parseToolOptions, ToolFault, type ToolStyle } from "./_table_options.ts";
import { createTables } from "./_table_create.ts";
import { deleteKeys } from "./_table_delete.ts";
import { toolHelp } from "./_table_help.ts";
import { listTable } from "./_table_list.ts";
import { queryTables } from "./_table_query.ts";

/** The arguments of this call as bytes; the decoded ones where the system cannot tell. */
function argumentBytes(args: readonly string[]): Uint8Array[] {
  const decoded = args.map((arg) => Buffer.from(arg));
  if (args.every((arg) => !arg.includes("\ufffd"))) return decoded;
  const raw = rawArguments();
  return args.length === 0 ? [] : raw.slice(-args.length);
}

function prepare(style: ToolStyle, context: CommandContext): ToolRun {
  const options = parseToolOptions(argumentBytes(context.args), style, context.configDirectory);
  const directory = configurationDirectory(options.configDirectory, environment);
  const warn = (text: string) => writeErr(`${style.program}: warning: ${text}\n`);
  const { parameter, warnings } = readSettings({
    directory,
    world: realWorld(ownProcessId(), style.program),
    environment: environmentVariables(),
  });
  for (const warning of warnings) warn(warning.text);
  const utf8 = !options.noUtf8 && parameter("smtputf8_enable") !== "no" &&
    (options.forceUtf8 || !(options.body || options.header));
  const encoding = utf8 ? "utf8" : "latin1";
  const tableContext: TableContext = {
    directory: "",
    parameter,
    warn,
    clock: Date.now,
    asPostmap: true,
    encoding,
    fold: options.fold,
    nul: options.nul,
  };
  return { style, options, encoding, parameter, warn, context: tableContext };
}

const MODES = { create: createTables, query: queryTables, delete: deleteKeys, list: listTable } as const;

/** Runs the tool; exit status 0 or 1, nothing else (postmap(1)). */
export async function runTableTool(style: ToolStyle, context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") {
    writeOut(toolHelp(style));
    return 0;
  }
  try {
    const run = prepare(style, context);
    return await MODES[run.options.mode](run);
  } catch (error) {
    const { program } = style;
    if (error instanceof ToolFault) {
      for (const line of error.before) writeErr(`${program}: ${line}\n`);
      writeErr(`${program}: fatal: ${error.message}\n`);
    } else if (error instanceof ConfigurationFault) {
      for (const { level, text } of error.diagnostics) writeErr(`${program}: ${level}: ${text}\n`);
    } else throw error;
    return 1;
  }
}
