// Runs one command from its source: `bun test/kit/run_command.ts postconf -n`, for tests that need no built binary.
import type { OtherCommand } from "../../src/commands/command.ts";
import { COMMANDS } from "../../src/commands/command_rows.ts";

async function run({ name, args, configDirectory }: OtherCommand): Promise<number> {
  const command = await COMMANDS[name]!.load();
  return await command({ name, configDirectory, verbose: 0, args, run });
}

const [name = "", ...args] = process.argv.slice(2);
process.exit(await run({ name, args }));
