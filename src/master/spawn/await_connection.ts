import { awaitConnection, becomeConnectionCommand } from "../../platform/process/connection_command.ts";
import { dieWithParent } from "../../platform/process/death_signal.ts";
import { programArguments, writeFully } from "../../platform/process/this_process.ts";
import { CHANNEL, FIRST_INHERITED } from "../../platform/socket/child.ts";

/** What it tells the process that started it, a line each. */
export const TAKEN = "taken";
export const NOT_RUN = "not run";

/** The arguments of `--connection`. */
export function connectionArguments(listeners: number, directory: string, argv: readonly string[]): string[] {
  return ["--connection", String(listeners), directory, ...argv];
}

/**
 * A process started as `--connection`: waits for one connection to the sockets that it has inherited, tells so, and becomes the command
 * that serves it. It ends without one when its parent says anything, or is gone.
 */
export function runConnection(): Promise<number> {
  dieWithParent();
  const [, listeners, directory, ...argv] = programArguments();
  const sockets = Array.from({ length: Number(listeners) }, (_, at) => FIRST_INHERITED + at);
  const connection = awaitConnection(sockets, CHANNEL);
  if (connection === undefined) return Promise.resolve(0);
  writeFully(CHANNEL, `${TAKEN}\n`);
  const errno = becomeConnectionCommand(connection, argv, directory!);
  writeFully(CHANNEL, `${NOT_RUN} ${errno}\n`);
  return Promise.resolve(1);
}
