import type { CommandContext } from "../command.ts";
import { runTableTool } from "./_tool.ts";

/** `mta postalias`: makes, asks and changes alias tables (postalias(1)). */
export function postalias(context: CommandContext): Promise<number> {
  return runTableTool({
    program: "postalias",
    letters: "c:d:fNinopq:rsuvw",
    usage: "usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    format: "alias",
    separator: ":\t",
  }, context);
}
