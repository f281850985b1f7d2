import type { RecipientChange, RecipientState } from "../store.ts";

/** The state of a recipient about whom nothing is settled. */
const PENDING: RecipientState = { is: "pending" };

/** States of a message that nobody has tried to deliver. */
export function freshStates(count: number): RecipientState[] {
  return new Array<RecipientState>(count).fill(PENDING);
}

/** Meta of a state record that holds all states. */
export function printStates(states: readonly RecipientState[]): string {
  return JSON.stringify(states);
}

/** Reads what `printStates` wrote. */
export function parseStates(meta: Buffer): RecipientState[] {
  return JSON.parse(meta.toString()) as RecipientState[];
}

/** Meta of a state record that holds the changed states only. */
export function printChanges(changes: readonly RecipientChange[]): string {
  return JSON.stringify(changes.map(({ index, state }) => [index, state]));
}

/** Reads what `printChanges` wrote. */
export function parseChanges(meta: Buffer): RecipientChange[] {
  const pairs = JSON.parse(meta.toString()) as [number, RecipientState][];
  return pairs.map(([index, state]) => ({ index, state }));
}

/** What was known of a message in the shard that it came from; part of its own record, which is there as a whole or not at all. */
export interface Inherited {
  /** Flags of its state there. */
  readonly flags: number;
  readonly due: number;
  /** Undefined when nothing was settled about anybody. */
  readonly states?: readonly RecipientState[];
}

/** Meta of a message record: the envelope, and what the message inherits. */
export function printInheritance(envelope: Buffer, inherited: Inherited): string {
  return JSON.stringify({ ...JSON.parse(envelope.toString()), inherited });
}

/** Reads what `printInheritance` put beside the envelope. */
export function parseInheritance(meta: Buffer): Inherited {
  return (JSON.parse(meta.toString()) as { readonly inherited: Inherited }).inherited;
}
