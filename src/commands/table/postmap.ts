import type { CommandCall } from "../command.ts";
import { runTableTool } from "./_tool.ts";

/** `mta postmap`: makes, asks and changes lookup tables (postmap(1)). */
export function postmap(context: CommandCall): Promise<number> {
  return runTableTool({
    program: "postmap",
    letters: "bc:d:fFhimnNopq:rsuUvw",
    usage: "usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    format: "map",
    separator: "\t",
  }, context);
}
