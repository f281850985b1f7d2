import type { Agent } from "../agent.ts";
import { eachRecipient } from "../mailbox/each_recipient.ts";
import type { LocalDeps } from "./local_deps.ts";
import { LocalRun } from "./local_run.ts";

/** Builds the agent that delivers to users, aliases, files and commands of this machine (local(8)). */
export function createLocalAgent(deps: LocalDeps): Agent {
  return {
    program: "local",
    deliver: (job, signal) =>
      eachRecipient(
        job,
        signal,
        deps.now,
        (recipient, seen) => new LocalRun(job, recipient, seen, deps, signal).deliver(),
      ),
    close: () => Promise.resolve(),
  };
}
