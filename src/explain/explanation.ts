import type { AccessNote, ClientFacts, Effect, Stage, TraceStep } from "../access/policy.ts";
import type { SessionDescription } from "./session_description.ts";

/** One question that was asked on the way, and what came back. */
export interface Lookup {
  /** `table` by key, `list` an item of a main.cf list, `class` what the address resolver says of an address. */
  readonly kind: "table" | "list" | "dns" | "hosts" | "class" | "policy" | "verify" | "spf";
  /** `hash:/etc/postfix/access`, `mynetworks`, `MX`, `inet:127.0.0.1:10023`. */
  readonly source: string;
  readonly key: string;
  /** What was found; undefined when it is not there. */
  readonly answer?: string;
  /** Why it could not be looked up. */
  readonly trouble?: string;
  /** Where the entry that matched stands. */
  readonly file?: string;
  readonly line?: number;
  /** What a policy server is sent, one attribute a line. */
  readonly request?: readonly string[];
}

/** Where a parameter's value comes from: a file and line, the environment, or Postfix's default. */
export type Place =
  | { readonly from: "file"; readonly file: string; readonly line: number }
  | { readonly from: "default" }
  | { readonly from: "environment" | "command line"; readonly name: string };

/** One restriction of a list, as far as the evaluation came. */
export interface ExplainedStep extends Omit<TraceStep, "list" | "depth" | "reply"> {
  readonly reply?: string;
  readonly lookups: readonly Lookup[];
  /** The list that was evaluated in its place: a class, or the restrictions that a table named. */
  readonly inside?: ExplainedList;
}

/** One list, in the order of its evaluation. */
export interface ExplainedList {
  readonly name: string;
  /** Undefined for restrictions that a table or a policy server named. */
  readonly place?: Place;
  readonly steps: readonly ExplainedStep[];
  /** Restrictions behind the one that decided. */
  readonly notReached: readonly string[];
}

/** One command of the session. */
export interface ExplainedCommand {
  /** As the client sends it; "" is the connection itself. */
  readonly command: string;
  /** Every line of the reply. */
  readonly reply: readonly string[];
  readonly code: number;
  /** Absent where the policy was not asked: a syntax error, a limit. */
  readonly stage?: Stage;
  readonly lists: readonly ExplainedList[];
  /** `list/restriction` that refused. */
  readonly refusedBy?: string;
  /** What access actions do to the message. */
  readonly effects: readonly Effect[];
  /** What the server would log for a restriction: WARN, INFO, warn_if_reject. */
  readonly notes: readonly AccessNote[];
  /** What the server would warn of. */
  readonly warnings: readonly string[];
  /** Questions outside of restrictions: the client's name. */
  readonly lookups: readonly Lookup[];
}

/** How a session ends for its message; of several recipients the worst counts. */
export type Outcome = "permit" | "reject" | "defer";

/** An edit of one line that turns the outcome round; it was tried in memory and does. */
export interface ProvenEdit {
  /** What to do, in words. */
  readonly edit: string;
  readonly file?: string;
  readonly line?: number;
  readonly before?: string;
  readonly after?: string;
  /** What to run after it: `mta postmap FILE`, `mta reload`. */
  readonly then: readonly string[];
  /** The command that is answered in another way, and how. */
  readonly command: string;
  readonly reply: string;
  /** What else it means. */
  readonly caution?: string;
}

/** A session's way through the server's own code, with nothing done (`mta explain --json`). */
export interface Explanation {
  /** Of this form; it grows when a field changes its meaning. */
  readonly version: 1;
  readonly configuration: string;
  /** The files as they are, or what the running service has loaded. */
  readonly from: "disk" | "running";
  /** `line` of master.cf; absent where there is no such file. */
  readonly service: { readonly name: string; readonly line?: number };
  readonly session: SessionDescription;
  readonly client: ClientFacts;
  readonly commands: readonly ExplainedCommand[];
  readonly outcome: Outcome;
  /** The command and reply that decide the outcome. */
  readonly decidedBy: { readonly command: string; readonly reply: string; readonly refusedBy?: string };
  /** Proven edits, the smallest first. */
  readonly edits: readonly ProvenEdit[];
  /** Edits that were tried. */
  readonly tried: number;
  /** Where one edit is not enough: one that leads to the next refusal. */
  readonly partial?: ProvenEdit;
  /** What was assumed rather than asked. */
  readonly assumptions: readonly string[];
  /** What the server would warn of beside what restrictions say: tables that cannot be opened, names that do not lead back. */
  readonly warnings: readonly string[];
}
