import { isDeepStrictEqual } from "node:util";
import type {
  ExplainedCommand,
  ExplainedList,
  ExplainedStep,
  Explanation,
  Place,
  ProvenEdit,
} from "../explanation.ts";
import { printLookups } from "./print_lookups.ts";
import { Sheet, type SheetStyle } from "./sheet.ts";

/** How an explanation is printed. */
export interface PrintStyle extends SheetStyle {
  /** Every lookup, also those that only find out what class an address is of. */
  readonly all: boolean;
}

/** The explanation as a table for people, at most 100 columns wide. */
export function printExplanation(explanation: Explanation, style: PrintStyle): string {
  const sheet = new Sheet(style);
  printHead(sheet, explanation);
  let earlier: readonly ExplainedList[] = [];
  for (const command of explanation.commands) {
    printCommand(sheet, command, earlier, style);
    if (command.lists.length > 0) earlier = command.lists;
  }
  printEnd(sheet, explanation);
  return sheet.text();
}

function printHead(sheet: Sheet, { configuration, from, service, client }: Explanation): void {
  const where = from === "running" ? "as the running service has it" : "as it is on disk";
  const line = service.line === undefined ? "built-in master.cf" : `master.cf line ${service.line}`;
  sheet.line(0, `${configuration}, ${where}: service ${service.name} (${line})`);
  const reverse = client.reverseName === client.name || client.reverseName === "unknown"
    ? ""
    : `; its PTR name is ${client.reverseName}`;
  sheet.line(0, `client ${client.name}[${client.address}]:${client.port}${reverse}`);
}

function printCommand(
  sheet: Sheet,
  command: ExplainedCommand,
  earlier: readonly ExplainedList[],
  style: PrintStyle,
): void {
  sheet.gap();
  sheet.line(0, commandText(command.command), "strong");
  const named = command.lookups.filter(({ kind }) => style.all || kind === "dns" || kind === "hosts");
  printLookups(sheet, 1, named);
  for (const list of command.lists) {
    const same = earlier.some((other) => isDeepStrictEqual(other, list));
    if (same && list.steps.length > 0) sheet.row(1, list.name, "as above");
    else printList(sheet, 1, list, command, style);
  }
  for (const warning of command.warnings) sheet.line(1, `warning: ${warning}`);
  for (const { verb, text } of command.notes) sheet.line(1, `log: ${verb}: ${text}`);
  for (const effect of command.effects) sheet.line(1, `does: ${effectText(effect)}`);
  for (const line of shortReply(command.reply)) sheet.line(1, line, toneOf(command.code));
}

/** The command as it is sent; what is none gets a name. */
function commandText(command: string): string {
  return command === "" ? "(connection)" : command === "." ? "(end of the message)" : command;
}

/** Of an EHLO reply the first line; of others all. */
function shortReply(reply: readonly string[]): readonly string[] {
  if (reply.length === 0) return ["the server hangs up"];
  return reply.length > 4 ? [`${reply[0]} ... (${reply.length} lines)`] : reply;
}

function toneOf(code: number): "good" | "bad" | "later" {
  return code >= 500 ? "bad" : code >= 400 || code === 0 ? "later" : "good";
}

function effectText(effect: ExplainedCommand["effects"][number]): string {
  if (effect.is === "delay") return `DELAY ${effect.seconds}`;
  return `${effect.is.toUpperCase()}${effect.text === "" ? "" : ` ${effect.text}`}`;
}

function printList(
  sheet: Sheet,
  depth: number,
  list: ExplainedList,
  command: ExplainedCommand,
  style: PrintStyle,
): void {
  const empty = list.steps.length === 0 && list.notReached.length === 0 ? "empty, " : "";
  sheet.row(depth, list.name, list.place === undefined ? "" : `${empty}${placeText(list.place)}`);
  for (const step of list.steps) printStep(sheet, depth + 1, list, step, command, style);
  if (list.notReached.length > 0) {
    sheet.line(depth + 1, `not reached: ${list.notReached.join(", ")}`, "faint");
  }
}

/** `main.cf line 9`, or where else a value comes from. */
function placeText(place: Place): string {
  if (place.from === "default") return "default";
  if (place.from !== "file") return place.name;
  return `${place.file.slice(place.file.lastIndexOf("/") + 1)} line ${place.line}`;
}

function printStep(
  sheet: Sheet,
  depth: number,
  list: ExplainedList,
  step: ExplainedStep,
  command: ExplainedCommand,
  style: PrintStyle,
): void {
  const warn = step.warn === true && list.steps.length > 0 ? "warn_if_reject " : "";
  sheet.row(depth, `${warn}${step.restriction}`, verdictText(step), verdictTone(step));
  printLookups(sheet, depth + 1, style.all ? step.lookups : telling(step), ownTable(step));
  const { reply } = step;
  if (reply !== undefined && !command.reply.some((line) => line.startsWith(reply))) {
    sheet.line(depth + 1, reply);
  }
  if (step.inside !== undefined) printList(sheet, depth + 1, step.inside, command, style);
}

/** Of a restriction with a table of its own the questions put to that; how its address was made out is another matter, how SPF was not. */
function telling(step: ExplainedStep): ExplainedStep["lookups"] {
  const own = ownTable(step);
  if (step.lookups.some(({ kind }) => kind === "spf")) return step.lookups;
  const first = step.lookups.findIndex(({ source }) => source === own);
  return first < 0 ? step.lookups : step.lookups.slice(first);
}

/** The table that the restriction names. */
function ownTable({ restriction }: ExplainedStep): string | undefined {
  const blank = restriction.indexOf(" ");
  return blank < 0 ? undefined : restriction.slice(blank + 1);
}

function verdictText(step: ExplainedStep): string {
  const { verdict, warn, ignored, applies, effect, note, sleep } = step;
  if (applies !== undefined) return "see below";
  if (sleep !== undefined) return `dunno (would wait ${sleep} s)`;
  if (effect !== undefined) return effectText(effect);
  if (note !== undefined) return note.verb.toUpperCase();
  if (ignored === true) return "permit, but not for a routed address";
  if (warn === true && verdict !== "dunno" && verdict !== "permit") return `${verdict}, only logged`;
  return verdict === "dunno" ? "dunno" : verdict.toUpperCase();
}

function verdictTone({ verdict, warn, ignored }: ExplainedStep): "good" | "bad" | "later" | "faint" {
  if (verdict === "permit") return ignored === true ? "faint" : "good";
  if (verdict === "dunno" || warn === true) return "faint";
  return verdict === "reject" ? "bad" : "later";
}

const WORDS = { permit: "accepted", reject: "rejected", defer: "deferred" } as const;

function printEnd(sheet: Sheet, explanation: Explanation): void {
  const { outcome, decidedBy, edits, tried, partial, assumptions, warnings } = explanation;
  sheet.gap();
  const by = decidedBy.refusedBy === undefined ? "" : ` by ${decidedBy.refusedBy}`;
  const tone = outcome === "permit" ? "good" : outcome === "reject" ? "bad" : "later";
  const on = outcome === "permit" ? "" : ` at ${commandText(decidedBy.command)}`;
  sheet.line(0, `${WORDS[outcome]}${on}${by}`, tone);
  for (const text of assumptions) sheet.line(0, `note: ${text}`);
  for (const text of warnings) sheet.line(0, `warning: ${text}`);
  if (edits.length > 0) {
    const how = outcome === "permit" ? "An edit that would refuse it" : "An edit that would let it pass";
    sheet.gap();
    sheet.line(0, edits.length === 1 ? `${how}:` : `${how} (the smallest first):`);
    for (const edit of edits) printEdit(sheet, edit);
  } else if (tried > 0) {
    sheet.line(
      0,
      `No single edit turns this round (${tried} tried).${partial === undefined ? "" : " A first step:"}`,
    );
    if (partial !== undefined) printEdit(sheet, partial);
  }
}

function printEdit(sheet: Sheet, edit: ProvenEdit): void {
  sheet.gap();
  sheet.line(1, edit.edit, "strong");
  if (edit.before !== undefined) sheet.line(2, `- ${edit.before}`);
  if (edit.after !== undefined) sheet.line(2, `+ ${edit.after}`);
  for (const command of edit.then) sheet.line(2, `then: ${command}`);
  sheet.line(2, `${commandText(edit.command)} is then answered: ${edit.reply}`);
  if (edit.caution !== undefined) sheet.line(2, `mind: ${edit.caution}`);
}
