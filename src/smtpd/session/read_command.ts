import { isAscii, isUtf8 } from "node:buffer";
import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import { accept, classed, refuse, type Reply } from "../../smtp/reply.ts";
import { splitWords } from "../../smtp/words.ts";
import { bareNewlineInCommand } from "../policy/bare_newline.ts";
import type { CommandRow, CommandTable, Handler } from "./commands.ts";
import type { Context } from "../context.ts";
import type { ForbiddenCommands } from "../policy/forbidden_commands.ts";
import type { Input } from "../input.ts";
import type { LinePhase } from "../phase.ts";
import { askMilters } from "../policy/ask_milters.ts";
import { noteEarlyInput } from "../policy/pipelining.ts";
import { maybeResponse, withoutSecrets } from "../policy/secrets.ts";
import type { SessionFacts } from "../session_facts.ts";
import { answer, CLOSE, type Step } from "../step.ts";
import { takeLine } from "../take_line.ts";

/** What reads commands sees of a session: also what the command in hand is noted in. */
export interface CommandReader extends Context {
  readonly commands: CommandTable;
  readonly input: Input;
  /** A command begins; log lines name it from now on. */
  begin(where: string): void;
  /** The client's line, as it came. */
  heard(line: string): void;
  /** What the way in which a command came tells of the client. */
  learn(facts: SessionFacts): void;
}

const OK = accept(250, "2.0.0", "Ok");
const BAD_SYNTAX = refuse(500, "5.5.2", "Error: bad syntax");
const BAD_UTF8 = refuse(500, "5.5.2", "Error: bad UTF-8 syntax");
const UNKNOWN = refuse(500, "5.5.2", "Error: command not recognized");
const NEEDS_TLS = classed(refuse(530, "5.7.0", "Must issue a STARTTLS command first"), "none");
const BROKEN_RULES = accept(221, "2.7.0", "Error: I can break rules, too. Goodbye.");

const accessDenied = ({ clientText }: Context) =>
  classed(refuse(503, "5.7.0", `Error: access denied for ${clientText}`), "none");

const HEADER_LIKE = /^[!-9;-~]+:/;

function isForbidden(verb: string, { names, patterns }: ForbiddenCommands): boolean {
  return names.has(verb.toUpperCase()) || patterns.some((pattern) => pattern.test(verb));
}

function breaksRules({ deps, settings }: Context, verb: string): MaybeAsync<boolean> {
  if (HEADER_LIKE.test(verb)) return true;
  return deps.forbiddenCommand?.(verb) ?? isForbidden(verb, settings.forbiddenCommands);
}

function runUnknown(phase: LinePhase, session: CommandReader, verb: string, line: string): MaybeAsync<Step> {
  const mayAnswer = session.where === "AUTH" || session.where === "UNKNOWN";
  session.begin("UNKNOWN");
  return then(breaksRules(session, verb), (breaks): MaybeAsync<Step> => {
    if (!breaks) {
      if (phase.at === "denied") return { ...answer(phase, accessDenied(session)), counted: "unknown" };
      const told = askMilters(session, { phase, stage: "UNKNOWN" }, (milters, macros) => {
        return milters.unknown(verb, macros);
      });
      return then(told, (reply) => ({ ...answer(phase, reply ?? UNKNOWN), counted: "unknown" }));
    }
    session.deps.log.emit("smtpd", "nonSmtpCommand", {
      client: session.clientText,
      line: mayAnswer && maybeResponse(line) ? "..." : withoutSecrets(line.slice(0, 100)),
    });
    return { phase, reply: BROKEN_RULES, counts: "bad", counted: "unknown", after: CLOSE };
  });
}

/** A command's line, taken apart. */
interface Line {
  readonly words: readonly string[];
  readonly text: string;
}

function runHere<Phase extends LinePhase>(
  place: Handler<Phase> | Reply,
  phase: Phase,
  context: Context,
  { words, text }: Line,
): MaybeAsync<Step> {
  return typeof place === "function" ? place(phase, context, words, text) : answer(phase, place);
}

function runInPlace(
  { places }: CommandRow,
  phase: LinePhase,
  context: Context,
  line: Line,
): MaybeAsync<Step> {
  switch (phase.at) {
    case "denied":
      return runHere(places.denied ?? accessDenied(context), phase, context, line);
    case "ready":
      return runHere(places.ready, phase, context, line);
    case "transaction":
      return runHere(places.transaction, phase, context, line);
    case "bdat":
      return runHere(places.bdat, phase, context, line);
    case "discarding":
      return runHere(places.discarding, phase, context, line);
  }
}

/** What refuses a command before anybody asks what it says; undefined to go on. */
function outOfTurn(phase: LinePhase, session: CommandReader, row: CommandRow): Step | undefined {
  const { settings, facts } = session;
  if (settings.tls.demanded && facts.tls === undefined && !row.preTls) return answer(phase, NEEDS_TLS);
  if ((row.last || !facts.esmtp) && !row.early) {
    const early = noteEarlyInput(session, session.input.pending, session.where);
    if (early !== undefined) session.learn(early.facts);
    if (early?.refusal !== undefined) return { ...answer(phase, early.refusal), after: CLOSE };
  }
  const unnamed = row.helloFirst !== undefined && settings.heloRequired && facts.hello === undefined;
  return unnamed ? answer(phase, row.helloFirst) : undefined;
}

function runKnown(phase: LinePhase, session: CommandReader, row: CommandRow, line: Line): MaybeAsync<Step> {
  // The log does not name a command that nobody looks at.
  const isDenied = phase.at === "denied" && row.places.denied === undefined;
  if (!isDenied) session.begin(row.counted.toUpperCase());
  const early = isDenied ? undefined : outOfTurn(phase, session, row);
  const step = early ?? runInPlace(row, phase, session, line);
  return isPromise(step) ? step.then((made) => countedAs(made, row)) : countedAs(step, row);
}

function countedAs({ phase, facts, reply, counts, delay, after }: Step, { counted, junk }: CommandRow): Step {
  return { phase, facts, reply, counts, counted, delay, junk, after };
}

function obey(phase: LinePhase, session: CommandReader, text: string): MaybeAsync<Step> {
  const words = splitWords(text);
  const verb = words[0];
  if (verb === undefined) return { phase, reply: BAD_SYNTAX, counts: "slip" };
  const upper = verb.toUpperCase();
  const noop = session.deps.noopCommand?.(verb) ?? session.settings.noopCommands.has(upper);
  return then(noop, (is) => {
    // smtpd_noop_commands
    if (is) return { phase, reply: OK, junk: true };
    const row = Object.hasOwn(session.commands, upper) ? session.commands[upper] : undefined;
    return row === undefined
      ? runUnknown(phase, session, verb, text)
      : runKnown(phase, session, row, { words, text });
  });
}

/** Runs a command line, without its line end; a NUL ends it early. */
function runCommand(phase: LinePhase, session: CommandReader, line: string): MaybeAsync<Step> {
  const nul = line.indexOf("\0");
  const text = nul < 0 ? line : line.slice(0, nul);
  const { commandFilter, log } = session.deps;
  if (commandFilter === undefined) return obey(phase, session, text);
  return then(commandFilter(text.replace(/^[ \t]+/, "")), (changed) => {
    if (changed === undefined) return obey(phase, session, text);
    const [before, after] = [withoutSecrets(text.slice(0, 100)), withoutSecrets(changed.slice(0, 100))];
    log.note("smtpd", "info", `${session.clientText}: replacing command "${before}" with "${after}"`);
    return obey(phase, session, changed);
  });
}

/** Takes a command line and carries it out; undefined while there is none. */
export function readCommand(phase: LinePhase, session: CommandReader): MaybeAsync<Step> | undefined {
  const line = takeLine(session, session.input, session.settings.lineLimit);
  if (line === undefined) return undefined;
  const crlf = line.length > 0 && line[line.length - 1] === 13;
  const bytes = crlf ? line.subarray(0, -1) : line;
  const ascii = isAscii(bytes);
  // Without SMTPUTF8 a stray byte is a replacement character from here on, which no address may have.
  const text = bytes.toString(ascii ? "latin1" : "utf8");
  session.heard(text);
  const ended = crlf ? undefined : bareNewlineInCommand(session, phase);
  if (ended !== undefined) return ended;
  if (ascii || isUtf8(bytes) || !session.settings.smtputf8) return runCommand(phase, session, text);
  return { phase, reply: BAD_UTF8, counts: "slip" };
}
