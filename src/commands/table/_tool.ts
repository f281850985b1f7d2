import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import { configurationDirectory } from "../../config/directory.ts";
import { readSettings } from "../../config/read_settings.ts";
import { realWorld } from "../../config/world.ts";
import { ownProcessId } from "../../platform/host.ts";
import {
  environment,
  environmentVariables,
  isTerminal,
  rawArguments,
  writeErr,
  writeOut,
} from "../../platform/process/this_process.ts";
import type { TableContext } from "../../table/context.ts";
import { printable } from "../../base/printable.ts";
import type { CommandCall } from "../command.ts";
import type { ToolRun } from "./_run.ts";
import { parseToolOptions, ToolFault, type ToolStyle } from "./_options.ts";
import { createTables } from "./_create.ts";
import { deleteKeys } from "./_delete.ts";
import { toolHelp } from "./_help.ts";
import { jsonLine } from "./_json.ts";
import { listTable } from "./_list.ts";
import { Progress } from "./_progress.ts";
import { queryTables } from "./_query.ts";

/** The arguments of this call as bytes; the decoded ones where the system cannot tell. */
function argumentBytes(args: readonly string[]): Uint8Array[] {
  const decoded = args.map((arg) => Buffer.from(arg));
  if (args.every((arg) => !arg.includes("\ufffd"))) return decoded;
  const raw = rawArguments();
  return args.length === 0 ? [] : raw.slice(-args.length);
}

/** Says what is wrong: Postfix's line, or with --json an object a line. */
function complain(program: string, json: boolean, level: string, text: string): void {
  writeErr(json ? jsonLine({ program, level, text }) : `${program}: ${level}: ${printable(text)}\n`);
}

function prepare(style: ToolStyle, context: CommandCall): ToolRun {
  const options = parseToolOptions(argumentBytes(context.args), style, context.configDirectory);
  const directory = configurationDirectory(options.configDirectory, environment);
  const isWatched = isTerminal(2) && !options.json;
  const progress = new Progress(style.program, Date.now, isWatched ? writeErr : undefined);
  const warn = (text: string) => {
    progress.clear();
    complain(style.program, options.json, "warning", text);
  };
  const { parameter, settings, warnings } = readSettings({
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
  return { style, options, encoding, settings, parameter, warn, progress, context: tableContext };
}

const MODES = { create: createTables, query: queryTables, delete: deleteKeys, list: listTable } as const;

/** Runs the tool; exit status 0 or 1, nothing else (postmap(1)). */
export async function runTableTool(style: ToolStyle, context: CommandCall): Promise<number> {
  if (context.args[0] === "--help") {
    writeOut(toolHelp(style));
    return 0;
  }
  let run: ToolRun | undefined;
  try {
    run = prepare(style, context);
    const status = await MODES[run.options.mode](run);
    run.progress.clear();
    return status;
  } catch (error) {
    run?.progress.clear();
    report(style.program, context.args.includes("--json"), error);
    return 1;
  }
}

/** Says why the tool ends; our own mistakes go on. */
function report(program: string, json: boolean, error: unknown): void {
  if (error instanceof ConfigurationFault) {
    for (const { level, text } of error.diagnostics) complain(program, json, level, text);
  } else if (!(error instanceof ToolFault)) {
    throw error;
  } else if (json) {
    complain(program, json, "fatal", [...error.before, error.message].join("; "));
  } else {
    for (const line of error.before) writeErr(`${program}: ${line}\n`);
    complain(program, json, "fatal", error.message);
  }
}
