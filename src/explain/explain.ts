import { DEFAULT_MASTER_CF } from "../config/default_master_cf.ts";
import type { Configuration } from "../config/service.ts";
import { editsFor } from "./edit/edits_for.ts";
import type { Explanation } from "./explanation.ts";
import type { OpenSessionParts } from "./session_parts.ts";
import { decisive, outcomeOf } from "./outcome.ts";
import type { Proof } from "./edit/prove_edits.ts";
import { serviceOf } from "./service_of.ts";
import { ExplainFault, type ExplainOptions, flawOf, type SessionDescription } from "./session_description.ts";
import { SourceFiles } from "./source_files.ts";
import { run, type RunPlan } from "./run.ts";

/**
 * Explains a session: plays it through the server's own smtpd and access policy, with every list, restriction, lookup and
 * reply written down and nothing done. Throws ExplainFault where there is nothing to play.
 */
export async function explain(
  configuration: Configuration,
  session: SessionDescription,
  options: ExplainOptions,
  openParts: OpenSessionParts,
): Promise<Explanation> {
  const flaw = flawOf(session);
  if (flaw !== undefined) throw new ExplainFault(flaw);
  const sources = new SourceFiles(configuration.directory);
  const plan: RunPlan = { session, options, openParts, sources, answers: new Map() };
  const played = await run(configuration, plan);
  const service = serviceOf(configuration, session.service);
  const { proven, tried, partial }: Proof = options.edits
    ? await editsFor(played, configuration, service, plan)
    : { proven: [], tried: 0 };
  return {
    version: 1,
    configuration: configuration.directory,
    from: "disk",
    service: {
      name: service.name,
      ...(configuration.texts?.master !== DEFAULT_MASTER_CF && { line: service.line }),
    },
    session,
    client: played.client,
    commands: played.commands,
    outcome: outcomeOf(played.commands),
    decidedBy: decisive(played.commands),
    edits: proven,
    tried,
    ...(partial !== undefined && { partial }),
    assumptions: played.assumptions,
    warnings: played.warnings,
  };
}
