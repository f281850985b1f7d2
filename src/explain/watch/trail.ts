import type { ExplainedCommand, ExplainedList, ExplainedStep, Lookup } from "../explanation.ts";

/** A step with the lists around it, the parameter's own list first. */
export interface Trail {
  readonly lists: readonly ExplainedList[];
  /** The steps that led into the inner lists: a class, or a table that named restrictions. */
  readonly into: readonly ExplainedStep[];
  readonly step: ExplainedStep;
}

/** Every step of a command in the order of its evaluation, those of nested lists behind the step they are in. */
export function trailsOf(command: ExplainedCommand): Trail[] {
  return command.lists.flatMap((list) => trailsIn(list, [], []));
}

function trailsIn(
  list: ExplainedList,
  around: readonly ExplainedList[],
  into: readonly ExplainedStep[],
): Trail[] {
  const lists = [...around, list];
  return list.steps.flatMap((step) => [
    { lists, into, step },
    ...(step.inside === undefined ? [] : trailsIn(step.inside, lists, [...into, step])),
  ]);
}

/** The step that refused, by the name that the decision gives it; the last one of that name that did not go on. */
export function refusingTrail(command: ExplainedCommand): Trail | undefined {
  const { refusedBy } = command;
  if (refusedBy === undefined) return undefined;
  return trailsOf(command).findLast(({ lists, step }) => {
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
