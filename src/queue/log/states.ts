import { count, finite, list, optional, pair, record } from "../../base/shape.ts";
import { storedState } from "../queue_shapes.ts";
import type { RecipientChange, RecipientState } from "../store.ts";
import { readStored } from "./stored.ts";

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

const STATES = list(storedState, Infinity);

/** Reads what `printStates` wrote. */
export function parseStates(meta: Buffer): RecipientState[] {
  return [...readStored(meta, STATES)];
}

/** Meta of a state record that holds the changed states only. */
export function printChanges(changes: readonly RecipientChange[]): string {
  return JSON.stringify(changes.map(({ index, state }) => [index, state]));
}

const CHANGES = list(pair(count, storedState), Infinity);

/** Reads what `printChanges` wrote. */
export function parseChanges(meta: Buffer): RecipientChange[] {
  return readStored(meta, CHANGES).map(([index, state]) => ({ index, state }));
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

const INHERITANCE = record<{ readonly inherited: Inherited }>({
  inherited: record<Inherited>({ flags: count, due: finite, states: optional(STATES) }),
});

/** Reads what `printInheritance` put beside the envelope. */
export function parseInheritance(meta: Buffer): Inherited {
  return readStored(meta, INHERITANCE).inherited;
}
