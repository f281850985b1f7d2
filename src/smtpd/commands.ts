import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { accept, refuse } from "../smtp/reply.ts";
import { splitWords } from "../smtp/words.ts";
import { auth } from "./command/auth.ts";
import { bdat } from "./command/bdat.ts";
import { data } from "./command/data.ts";
import { etrn } from "./command/etrn.ts";
import { ehlo, helo } from "./command/helo.ts";
import { mail } from "./command/mail.ts";
import { noop } from "./command/noop.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { noteEarlyInput } from "./pipelining.ts";
import { quit } from "./command/quit.ts";
import { rcpt } from "./command/rcpt.ts";
import { rset } from "./command/rset.ts";
import type { Session } from "./smtpd_session.ts";
import type { ForbiddenCommands } from "./forbidden_commands.ts";
import { starttls } from "./command/starttls.ts";
import type { Counted } from "./statistics.ts";
import { vrfy } from "./command/vrfy.ts";
import { xclient } from "./command/xclient.ts";
import { xforward } from "./command/xforward.ts";

/** Carries a command out; the words include the verb, the line is as it came. */
export type Run = (session: Session, words: readonly string[], line: string) => MaybeAsync<Outcome>;

/** A row of the command table. */
interface CommandRow {
  readonly run: Run;
  readonly counted: Counted;
  /** The client must wait for the answer, even with PIPELINING (RFC 2920 §3.1). */
  readonly last?: boolean;
  /** Counts against smtpd_junk_command_limit. */
  readonly junk?: boolean;
  /** Allowed before STARTTLS where TLS is demanded. */
  readonly preTls?: boolean;
}

/** The commands, as Postfix 3.7 knows them; EXPN, HELP and TURN are unknown to it. */
const COMMANDS: Readonly<Record<string, CommandRow>> = {
  HELO: { run: helo, counted: "helo", last: true, junk: true, preTls: true },
  EHLO: { run: ehlo, counted: "ehlo", last: true, junk: true, preTls: true },
  XCLIENT: { run: xclient, counted: "xclient", last: true, preTls: true },
  XFORWARD: { run: xforward, counted: "xforward", last: true },
  STARTTLS: { run: starttls, counted: "starttls", preTls: true },
  AUTH: { run: auth, counted: "auth" },
  MAIL: { run: mail, counted: "mail" },
  RCPT: { run: rcpt, counted: "rcpt" },
  DATA: { run: data, counted: "data", last: true },
  BDAT: { run: bdat, counted: "bdat" },
  RSET: { run: rset, counted: "rset", junk: true },
  NOOP: { run: noop, counted: "noop", last: true, junk: true, preTls: true },
  VRFY: { run: vrfy, counted: "vrfy", last: true, junk: true },
  ETRN: { run: etrn, counted: "etrn", junk: true },
  QUIT: { run: quit, counted: "quit", preTls: true },
};

const HEADER_LIKE = /^[!-9;-~]+:/;

function isForbidden(verb: string, { names, patterns }: ForbiddenCommands): boolean {
  return names.has(verb.toUpperCase()) || patterns.some((pattern) => pattern.test(verb));
}

function breaksRules(session: Session, verb: string): MaybeAsync<boolean> {
  if (HEADER_LIKE.test(verb)) return true;
  const { forbiddenCommand } = session.house.deps;
  return forbiddenCommand?.(verb) ?? isForbidden(verb, session.settings.forbiddenCommands);
}

/** One command cannot reset the junk count's effect: the count is checked before it grows, as Postfix does. */
function countJunk(session: Session): void {
  if (session.junk++ > session.settings.junkLimit) session.errors++;
}

const UNKNOWN = outcomeOf(refuse(500, "5.5.2", "Error: command not recognized"));

const NEEDS_TLS: Outcome = {
  reply: refuse(530, "5.7.0", "Must issue a STARTTLS command first"),
  counts: "bad",
};

const BROKEN_RULES: Outcome = {
  reply: refuse(221 as number, undefined, "2.7.0 Error: I can break rules, too. Goodbye."),
  counts: "bad",
  hangUp: true,
};

function accessDenied(session: Session): Outcome {
  return outcomeOf(refuse(503, "5.7.0", `Error: access denied for ${session.clientText}`));
}

function runUnknown(session: Session, verb: string, line: string): MaybeAsync<void> {
  session.where = "UNKNOWN";
  return then(breaksRules(session, verb), (breaks) => {
    if (!breaks) return session.finish(session.denied ? accessDenied(session) : UNKNOWN, "unknown");
    session.house.deps.log.emit("smtpd", "nonSmtpCommand", {
      client: session.clientText,
      line: line.slice(0, 100),
    });
    return session.finish(BROKEN_RULES, "unknown");
  });
}

function runKnown(
  session: Session,
  row: CommandRow,
  words: readonly string[],
  line: string,
): MaybeAsync<void> {
  if (session.denied && row.run !== quit) return session.finish(accessDenied(session), row.counted);
  session.where = row.counted.toUpperCase();
  if (session.settings.tlsDemanded && !row.preTls) return session.finish(NEEDS_TLS, row.counted);
  if (row.last || !session.esmtp) {
    const broken = row.run === quit ? undefined : noteEarlyInput(session, session.where);
    if (broken !== undefined) {
      return session.finish({ reply: broken, counts: "bad", hangUp: true }, row.counted);
    }
  }
  const outcome = row.run(session, words, line);
  const finished = isPromise(outcome)
    ? outcome.then((made) => session.finish(made, row.counted))
    : session.finish(outcome, row.counted);
  if (!row.junk) return finished;
  return then(finished, () => countJunk(session));
}

function obey(session: Session, line: string): MaybeAsync<void> {
  const words = splitWords(line);
  const verb = words[0];
  if (verb === undefined) {
    session.errors++;
    return session.say(refuse(500, "5.5.2", "Error: bad syntax"));
  }
  const upper = verb.toUpperCase();
  const noop = session.house.deps.noopCommand?.(verb) ?? session.settings.noopCommands.has(upper);
  return then(noop, (is) => {
    if (is) return doNothing(session);
    const row = Object.hasOwn(COMMANDS, upper) ? COMMANDS[upper] : undefined;
    return row === undefined ? runUnknown(session, verb, line) : runKnown(session, row, words, line);
  });
}

/** smtpd_noop_commands. */
function doNothing(session: Session): MaybeAsync<void> {
  countJunk(session);
  return session.say(accept(250, "2.0.0", "Ok"));
}

/** Runs a command line, without its line end; a NUL ends it early. */
export function runCommand(session: Session, line: string): MaybeAsync<void> {
  const nul = line.indexOf("\0");
  const text = nul < 0 ? line : line.slice(0, nul);
  const filter = session.house.deps.commandFilter;
  if (filter === undefined) return obey(session, text);
  return then(filter(text.replace(/^[ \t]+/, "")), (changed) => {
    if (changed === undefined) return obey(session, text);
    const [before, after] = [text.slice(0, 100), changed.slice(0, 100)];
    const said = `${session.clientText}: replacing command "${before}" with "${after}"`;
    session.house.deps.log.note("smtpd", "info", said);
    return obey(session, changed);
  });
}
