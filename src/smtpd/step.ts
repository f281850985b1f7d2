import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { ServerTls, TlsFacts } from "../platform/socket/start_tls.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Phase } from "./phase.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { Counted } from "./statistics.ts";

/**
 * How a step counts: in the statistics of the session, and towards its error limit.
 * A command: `good`, `bad`, or `neither` (in the statistics, but no error).
 * Content, whose command was counted when it came, and STARTTLS: `done`, `failed`, or `delivered`, which wipes the slate.
 * `slip`: no command at all, an error even before it is answered.
 */
export type Counts = "good" | "bad" | "neither" | "done" | "failed" | "delivered" | "slip";

/** What follows when the reply has left. */
export type After =
  | { readonly is: "close" }
  /** A client that XCLIENT made is greeted like one that has just connected. */
  | { readonly is: "greet" }
  | StartTls
  /** Another handler takes the connection, with whatever has come and was not looked at. */
  | { readonly is: "handOver"; readonly to: (connection: Connection) => ConnectionHandler };

/** TLS begins, and the session starts from nothing (RFC 3207 §4.2). */
export interface StartTls {
  readonly is: "startTls";
  readonly side: ServerTls;
  /** What the client has sent ahead is its handshake (wrapper mode), not a command to forget. */
  readonly atOnce: boolean;
  /** The step that follows. */
  readonly secured: (handshake: TlsFacts) => MaybeAsync<Step>;
  /** The connection is over. */
  readonly failed: (error: unknown) => MaybeAsync<void>;
}

/** What a session does next: where it stands then, and what the client hears. */
export interface Step {
  readonly phase: Phase;
  /** What is known of the client from now on. */
  readonly facts?: SessionFacts | undefined;
  readonly reply?: Reply | undefined;
  readonly counts?: Counts | undefined;
  /** The command that it counts as. */
  readonly counted?: Counted | undefined;
  /** The answer comes so many milliseconds later, on purpose; meanwhile who waits for the session's slot gets it. */
  readonly delay?: number | undefined;
  /** Counts against smtpd_junk_command_limit. */
  readonly junk?: boolean | undefined;
  readonly after?: After | undefined;
}

/** The session ends. */
export const CLOSE: After = { is: "close" };

/** The step of a command whose reply counts by its code. */
export function answer(phase: Phase, reply: Reply): Step {
  return { phase, reply, counts: reply.code < 400 ? "good" : "bad" };
}

/** Whether the client has come nearer to what it is here for: a command that was no junk worked, or content came in. */
export function comesOn({ counts, junk }: Step): boolean {
  return junk !== true && (counts === "good" || counts === "done" || counts === "delivered");
}

/** The step that ends a session and counts as nothing. */
export function dismissal(phase: Phase, reply: Reply): Step {
  return { phase, reply, after: CLOSE };
}

/** Whether a reply ends the session whoever asked for it (RFC 5321 §3.8, RFC 7504). */
export function endsSession(reply: Reply): boolean {
  return reply.code === 421 || reply.code === 521;
}
