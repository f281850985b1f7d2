import { resolve } from "node:path";
import { configurationDirectory } from "../../config/directory.ts";
import { serve as runService } from "../../master/serve.ts";
import { environment } from "../../platform/process/this_process.ts";
import { openReport } from "../../platform/process/report_pipe.ts";
import type { CommandContext } from "../command.ts";

/** `mta serve`, `mta start-fg`: the service in the foreground. `--detached` is `mta start`'s: it reports on descriptor 3. */
export async function serve({ configDirectory, args }: CommandContext): Promise<number> {
  const detached = args.includes("--detached");
  const report = detached ? openReport() : undefined;
  return await runService({
    configDirectory: resolve(configurationDirectory(configDirectory, environment)),
    foreground: !detached,
    started: (failure, closed) => report?.(failure, closed),
  });
}
