/** How grave an event is; `info` has no prefix in a log line (postlog(1)). */
export type Level = "info" | "warning" | "error" | "fatal" | "panic";

/** The program name of a log line's tag: `postfix/<program>`. Tools match on it, so Postfix's names stay. */
export type Program =
  | "smtpd"
  | "cleanup"
  | "qmgr"
  | "smtp"
  | "lmtp"
  | "local"
  | "virtual"
  | "pipe"
  | "spawn"
  | "error"
  | "discard"
  | "bounce"
  | "pickup"
  | "trivial-rewrite"
  | "anvil"
  | "scache"
  | "postscreen"
  | "dnsblog"
  | "verify"
  | "flush"
  | "master"
  | "postfix-script"
  | "postsuper"
  | "postqueue"
  | "postmap"
  | "postalias"
  | "postlog"
  | "sendmail";

/** What a field of an event may hold. */
export type FieldValue = string | number | boolean | undefined;

/**
 * One kind of event. `text` prints Postfix's log line without the tag; the JSON line and the metrics come from the same
 * fields, so every event is emitted once.
 */
export interface EventKind<Fields> {
  readonly level: Level;
  readonly text: (fields: Fields) => string;
}

/** Declares an event kind with the type of its fields. */
export function event<Fields extends { readonly [name: string]: FieldValue }>(
  level: Level,
  text: (fields: Fields) => string,
): EventKind<Fields> {
  return { level, text };
}

/** The fields that an event kind needs. */
export type FieldsOf<Kind> = Kind extends EventKind<infer Fields> ? Fields : never;
