import { type AccessParts, assembleAccess, type PolicyService } from "../create_policy.ts";
import type { AccessPolicy } from "../policy.ts";
import {
  ADDRESSES,
  gatherProofInput,
  outsideClientAt,
  type ProofDeps,
  type ProofInput,
} from "./proof_input.ts";
import { type Route, routes } from "./relay_routes.ts";
import { FAVOURABLE_VERIFIER, favourableDns, SILENT_SERVER } from "./relay_session.ts";
import { claims, routedOn } from "./relay_side_doors.ts";
import { tried, type Witness } from "./relay_trial.ts";
import type { Way } from "./relay_ways.ts";

/** What is known about strangers and relaying. */
export interface RelayProof {
  /** Sessions that relay. */
  readonly witnesses: readonly Witness[];
  /** Ways in that nobody can judge beforehand, or that could not be confirmed or ruled out. */
  readonly doubts: readonly string[];
  /** Ways in that the operator has opened by name, in words that deserve a second look; each has been tried. */
  readonly loosely: readonly string[];
  /** Ways in for clients and domains that the operator has named. */
  readonly surely: readonly string[];
}

/** Witnesses that are shown; one is enough to refuse. */
const MOST_WITNESSES = 3;
/** Ways that are tried. */
const MOST_TRIED = 400;
/** Milliseconds for trying them. */
const TRIAL = 300;

const NO_PROOF: RelayProof = { witnesses: [], doubts: [], loosely: [], surely: [] };

/**
 * Proves that no stranger relays through a service, or finds a session in which one does. Nothing in the result means: every
 * way through the restriction lists has a refusal on it for him.
 */
export async function proveRelay(service: PolicyService, deps: ProofDeps): Promise<RelayProof> {
  const { prove, policy } = assembleProof(service, deps);
  try {
    return await prove();
  } finally {
    policy.close();
  }
}

/** The proof before it is made, and the policy that its sessions are played through: the server's, in a favourable world. */
export function assembleProof(
  service: PolicyService,
  deps: ProofDeps,
): { readonly policy: AccessPolicy; prove(): Promise<RelayProof> } {
  const parts = assemble(service, deps);
  return { policy: parts.policy, prove: () => prove(parts, service, deps) };
}

function assemble(service: PolicyService, deps: ProofDeps): AccessParts {
  const { router, local, openTables, clock } = deps;
  return assembleAccess(service, {
    router,
    local,
    openTables,
    clock,
    dns: favourableDns(outsideClientAt(ADDRESSES[0])),
    verifier: FAVOURABLE_VERIFIER,
    sleep: () => Promise.resolve(),
    watchServer: () => SILENT_SERVER,
  });
}

async function prove(parts: AccessParts, service: PolicyService, deps: ProofDeps): Promise<RelayProof> {
  const input = await gatherProofInput(parts.restrictionDeps, deps);
  const claimed = await claims(parts, service, input, deps);
  if (input.foreign === "") return { ...NO_PROOF, witnesses: claimed, doubts: untold(input) };
  const found = await judge(routes(parts, service, input), parts, input, deps);
  const routed = await routedOn(parts, service, input, deps);
  return {
    ...found,
    witnesses: [...claimed, ...found.witnesses, ...routed.witnesses],
    loosely: [...found.loosely, ...routed.loosely],
  };
}

function untold({ untold: why }: ProofInput): string[] {
  return why === undefined ? [] : [`tables of our own domains that cannot be read: ${why}`];
}

async function judge(
  all: readonly Route[],
  parts: AccessParts,
  input: ProofInput,
  deps: ProofDeps,
): Promise<RelayProof> {
  const by = (certainty: Way["certainty"]) => all.filter((way) => way.certainty === certainty);
  const end = deps.clock() + TRIAL;
  const enough = (at: number) => at >= MOST_TRIED || (at > 0 && deps.clock() > end);
  const witnesses: Witness[] = [];
  const unconfirmed: string[] = [];
  for (const [at, route] of by("open").entries()) {
    if (enough(at)) unconfirmed.push(words(route));
    if (enough(at)) break;
    const taken = await tried(route.wants, parts, input, deps);
    if (taken === undefined) unconfirmed.push(words(route));
    else witnesses.push({ attempt: taken, through: route.passes, fix: route.fix });
    if (witnesses.length >= MOST_WITNESSES) break;
  }
  const loosely: string[] = [];
  for (const [at, route] of by("loosely").entries()) {
    if (enough(at)) loosely.push(words(route));
    if (enough(at)) break;
    const taken = route.untried ? undefined : await tried(route.wants, parts, input, deps);
    (route.untried || taken !== undefined ? loosely : unconfirmed).push(words(route));
  }
  return {
    witnesses,
    doubts: witnesses.length > 0 ? [] : [...unconfirmed, ...by("unknown").map(words)],
    loosely,
    surely: by("surely").map(words),
  };
}

function words({ passes }: Route): string {
  return passes.join("; ");
}
