import {
  count,
  dictionary,
  finite,
  flag,
  integer,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../../base/shape.ts";
import type { CommandTask, MaildirTask, MailTask, MboxTask, ReadTask, TaskResult } from "./writer.ts";

/** Paths, arguments and values of environments; a task as a whole has a limit too. */
const TEXT = text(256 * 1024);
const MANY = 10_000;

/** What is to be done with somebody's rights, as a delivery helper takes it from a worker. */
export const mailTask: Shape<MailTask> = tagged<MailTask, "do">("do", {
  mbox: record<MboxTask>({
    do: oneOf("mbox"),
    path: TEXT,
    spool: flag,
    locks: list(oneOf("fcntl", "flock", "dotlock"), 8),
    lockAttempts: count,
    lockDelay: finite,
    staleLock: finite,
    sizeLimit: count,
    strictOwner: flag,
    anyFile: flag,
  }),
  maildir: record<MaildirTask>({ do: oneOf("maildir"), path: TEXT, hostname: TEXT, sizeLimit: count }),
  command: record<CommandTask>({
    do: oneOf("command"),
    argv: list(TEXT, MANY),
    orElse: optional(list(TEXT, MANY)),
    environment: dictionary(TEXT, MANY),
    directory: TEXT,
    timeLimit: finite,
  }),
  read: record<ReadTask>({
    do: oneOf("read"),
    path: TEXT,
    kind: oneOf("forward", "include"),
    found: optional(count),
    limit: count,
  }),
});

/** Most that a helper may say of a file that it read, in characters. */
export const LONGEST_READ = 4 * 1024 * 1024;

type ResultOf<Is extends TaskResult["is"]> = Extract<TaskResult, { readonly is: Is }>;

/** What came of it, as a worker takes it from a delivery helper: the user whose helper it is may have had his hands in it. */
export const taskResult: Shape<TaskResult> = tagged<TaskResult, "is">("is", {
  done: record<ResultOf<"done">>({ is: oneOf("done") }),
  read: record<ResultOf<"read">>({
    is: oneOf("read"),
    text: optional(text(LONGEST_READ)),
  }),
  failed: record<ResultOf<"failed">>({ is: oneOf("failed"), code: text(64), why: TEXT }),
  exit: record<ResultOf<"exit">>({ is: oneOf("exit"), code: integer(0, 255), output: TEXT }),
  signal: record<ResultOf<"signal">>({ is: oneOf("signal"), signal: integer(0, 255), output: TEXT }),
  "time limit": record<ResultOf<"time limit">>({ is: oneOf("time limit") }),
  "no right": record<ResultOf<"no right">>({ is: oneOf("no right"), why: TEXT }),
});
