import type { Configuration, Service } from "../../config/service.ts";
import { ConfigEditor } from "./config_edit.ts";
import type { ExplainedCommand } from "../explanation.ts";
import { findEdits } from "./find_edits.ts";
import { turnable } from "../outcome.ts";
import { createPlaces } from "./places.ts";
import { type Proof, proveEdits, type Trial } from "./prove_edits.ts";
import { type Run, run, type RunPlan } from "../run.ts";
import { TableEditor } from "./table_edits.ts";
import { stepPathsOf } from "../watch/step_path.ts";

/** Edits that turn the deciding command's answer round. */
export async function editsFor(
  played: Run,
  configuration: Configuration,
  service: Service,
  plan: RunPlan,
): Promise<Proof> {
  const command = turnable(played.commands);
  if (command === undefined || command.command === "") return { proven: [], tried: 0 };
  const at = played.commands.indexOf(command);
  const found = findEdits(command, {
    tables: new TableEditor(plan.sources),
    configuration: new ConfigEditor(
      configuration,
      createPlaces(configuration, service),
      (name) => service.parameter(name),
    ),
    client: played.client,
    foreign: isForeign(command),
  });
  // The client is the same in every trial; what the DNS says of it need not be asked again.
  const { name, nameStatus, reverseName, reverseNameStatus } = played.client;
  const names = { name: asGiven(name, nameStatus), reverseName: asGiven(reverseName, reverseNameStatus) };
  const session = { ...plan.session, client: { ...plan.session.client, ...names } };
  let known: Promise<readonly string[]> | undefined;
  const before = () => known ??= played.relayFindings();
  return await proveEdits(command, found, {
    configuration,
    try: (changed, change) => attempt(run(changed, { ...plan, session }, change), at, before),
  });
}

/** A name in the words of a description. */
function asGiven(name: string, status: 2 | 4 | 5): string {
  return status === 2 ? name : status === 4 ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]";
}

async function attempt(
  running: Promise<Run>,
  at: number,
  before: () => Promise<readonly string[]>,
): Promise<Trial | undefined> {
  try {
    const { commands, relayFindings } = await running;
    return {
      command: commands[at],
      async opensRelay() {
        const known = await before();
        return (await relayFindings()).some((finding) => !known.includes(finding));
      },
    };
  } catch {
    return undefined; // whatever is wrong with the edited configuration, it is no remedy
  }
}

/** Whether the recipient is none of ours, as far as the command's restrictions asked. */
function isForeign(command: ExplainedCommand): boolean {
  const recipient = /^RCPT TO:<(.*)>/.exec(command.command)?.[1]?.toLowerCase();
  return stepPathsOf(command).some(({ step }) =>
    step.lookups.some(({ kind, key, answer }) =>
      kind === "class" && key.toLowerCase() === recipient && answer?.startsWith("default") === true
    )
  );
}
