import { systemClock } from "../../base/clock.ts";
import { loadConfiguration } from "../../config/load.ts";
import type { Configuration, ConfigurationTexts } from "../../config/service.ts";
import type { Change, Edit } from "./edit.ts";
import type { ExplainedCommand, ProvenEdit } from "../explanation.ts";
import { meaningOf } from "../outcome.ts";

/** A trial: what the command is answered with the change in force, and whether a stranger could relay who cannot now. */
export interface Trial {
  readonly command: ExplainedCommand | undefined;
  opensRelay(): Promise<boolean>;
}

/** What edits are tried with. */
export interface EditTrials {
  readonly configuration: Configuration;
  /** Plays the session again; undefined when the changed configuration cannot serve. */
  try(configuration: Configuration, change: Change): Promise<Trial | undefined>;
}

/** What came of the trials. */
export interface Proof {
  readonly proven: readonly ProvenEdit[];
  readonly tried: number;
  /** Where no edit turns the answer round: the first that leads to another refusal. */
  readonly partial?: ProvenEdit;
}

/** Edits that are shown. */
const MOST_PROVEN = 3;
/** Edits that are tried. */
const MOST_TRIED = 24;
/** Longest search, in milliseconds. */
const TIME_LIMIT = 10_000;

/**
 * Tries edits one after the other and keeps those that turn a command's answer round and open no relay. What a smaller edit
 * does needs no larger one: the first tier with a result is the last.
 */
export async function proveEdits(
  command: ExplainedCommand,
  tiers: readonly (readonly Edit[])[],
  trials: EditTrials,
): Promise<Proof> {
  const proven: ProvenEdit[] = [];
  let partial: ProvenEdit | undefined;
  const end = systemClock.now() + TIME_LIMIT;
  let tried = 0;
  let lastTier = 0;
  for (const { edit, tier } of unique(tiers).slice(0, MOST_TRIED)) {
    if (proven.length >= MOST_PROVEN || systemClock.now() > end) break;
    if (proven.length > 0 && tier !== lastTier) break;
    lastTier = tier;
    if (proven.some((other) => other.edit === edit.edit)) continue; // the same place, with a weaker word
    await breathe();
    tried++;
    const trial = await trialOf(edit, trials);
    const answered = trial?.command;
    if (trial === undefined || answered === undefined) continue;
    const { change: _change, ...words } = edit;
    const result = { ...words, command: command.command, reply: answered.reply.join(" / ") };
    const isStep = partial === undefined && result.reply !== command.reply.join(" / ");
    if (!(isTurned(command, answered) || isStep) || await trial.opensRelay()) continue;
    if (isTurned(command, answered)) proven.push(result);
    else partial = result;
  }
  return { proven, tried, ...(proven.length === 0 && partial !== undefined && { partial }) };
}

function isTurned(before: ExplainedCommand, after: ExplainedCommand): boolean {
  return (meaningOf(before) === "permit") !== (meaningOf(after) === "permit");
}

function unique(tiers: readonly (readonly Edit[])[]): { readonly edit: Edit; readonly tier: number }[] {
  const seen = new Set<string>();
  const all = tiers.flatMap((edits, tier) => edits.map((edit) => ({ edit, tier })));
  return all.filter(({ edit: { edit, after = "" } }) => {
    const key = `${edit}\n${after}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Other work of the process goes first between two trials. */
function breathe(): Promise<void> {
  return new Promise((resolve) => void systemClock.after(0, resolve));
}

/** The trial of an edit; undefined where the edited configuration cannot serve. */
async function trialOf({ change }: Edit, trials: EditTrials): Promise<Trial | undefined> {
  const configuration = changedConfiguration(trials.configuration, change);
  if (configuration === undefined) return undefined;
  return await trials.try(configuration, change);
}

function changedConfiguration(configuration: Configuration, change: Change): Configuration | undefined {
  if (change.is === "record" || configuration.texts === undefined) return configuration;
  const texts: ConfigurationTexts = { ...configuration.texts, [change.file]: change.text };
  const loaded = loadConfiguration({ directory: configuration.directory, texts });
  return loaded.is === "loaded" ? loaded.configuration : undefined;
}
