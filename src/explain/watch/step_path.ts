import type { ExplainedCommand, ExplainedList, ExplainedStep, Lookup } from "../explanation.ts";

/** A step with the lists around it, the parameter's own list first. */
export interface StepPath {
  readonly lists: readonly ExplainedList[];
  /** The steps that led into the inner lists: a class, or a table that named restrictions. */
  readonly into: readonly ExplainedStep[];
  readonly step: ExplainedStep;
}

/** Every step of a command in the order of its evaluation, those of nested lists behind the step they are in. */
export function stepPathsOf(command: ExplainedCommand): StepPath[] {
  return command.lists.flatMap((list) => stepPathsIn(list, [], []));
}

function stepPathsIn(
  list: ExplainedList,
  around: readonly ExplainedList[],
  into: readonly ExplainedStep[],
): StepPath[] {
  const lists = [...around, list];
  return list.steps.flatMap((step) => [
    { lists, into, step },
    ...(step.inside === undefined ? [] : stepPathsIn(step.inside, lists, [...into, step])),
  ]);
}

/** The step that refused, by the name that the decision gives it; the last one of that name that did not go on. */
export function refusingPath(command: ExplainedCommand): StepPath | undefined {
  const { refusedBy } = command;
  if (refusedBy === undefined) return undefined;
  return stepPathsOf(command).findLast(({ lists, step }) => {
    const list = lists.at(-1)!.name;
    const isNamed = refusedBy === `${list}/${step.restriction}` || refusedBy === list;
    return isNamed && step.verdict !== "dunno" && step.verdict !== "permit";
  });
}

/** The entry of a table that a step's verdict comes from. */
export function matchOf({ restriction, lookups }: ExplainedStep): Lookup | undefined {
  const match = lookups.findLast(({ kind, source }) =>
    kind === "table" && restriction.endsWith(` ${source}`)
  );
  return match?.answer === undefined ? undefined : match;
}
