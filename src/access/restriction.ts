import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Resolution } from "../routing/route.ts";
import type { Facts, Stage } from "./policy.ts";
import type { RelayEffect } from "./relay_effect.ts";
import type { Subject, Verdict } from "./verdict.ts";

/** What a restriction may look at: the facts, and what it is evaluated for. */
export interface Query {
  readonly facts: Facts;
  readonly stage: Stage;
  /** What the list at hand is about. */
  readonly about: Subject;
  /** An address by the resolver; asked once per check for each pair. */
  resolve(other: string | undefined, address: string): MaybeAsync<Resolution>;
}

/** Facts in, verdict out: writes nothing, logs nothing, closes nothing. */
export type Restriction = (query: Query) => MaybeAsync<Verdict>;

/** The checks that a bare `type:table` may stand for, by the list it is in. */
export type DefaultCheck =
  | "check_client_access"
  | "check_helo_access"
  | "check_sender_access"
  | "check_recipient_access"
  | "check_etrn_access";

/** One item of a restriction list. */
export interface Step {
  /** As written, argument included. */
  readonly name: string;
  /** Preceded by warn_if_reject: what it refuses is only logged. */
  readonly warn: boolean;
  readonly evaluate: Restriction;
  /** What it can do for an outside client that wants to relay. */
  readonly relayEffect: RelayEffect;
}

/** A restriction list, ready to be evaluated. */
export interface RestrictionList {
  /** Parameter, restriction class, or the table whose result it is. */
  readonly name: string;
  readonly steps: readonly Step[];
}
