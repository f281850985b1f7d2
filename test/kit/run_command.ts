// Runs one command from its source: `bun test/kit/run_command.ts postconf -n`, for tests that need no built binary.
import { COMMANDS } from "../../src/commands/command_rows.ts";

const [name, ...args] = process.argv.slice(2);
const command = await COMMANDS[name!]!.load();
process.exit(await command({ name: name!, configDirectory: undefined, verbose: 0, args }));
