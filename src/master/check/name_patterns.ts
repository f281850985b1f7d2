import { isPromise } from "../../base/maybe_async.ts";
import { isHonoured } from "../../config/check/check_honoured.ts";
import { LISTENING_PROGRAMS } from "../../config/listening_endpoints.ts";
import { parameters } from "../../config/parameters/parameters.ts";
import type { Configuration } from "../../config/service.ts";
import type { Diagnostic } from "../../config/syntax/diagnostic.ts";
import { splitList } from "../../config/syntax/list.ts";
import { resolvePath, type TableContext } from "../../table/context.ts";
import { ABSENT, type Table } from "../../table/table.ts";
import { isInProcess, openTable } from "../../table/table_types.ts";
import { sampleReceived } from "./sample_received.ts";

const POSTFIX = "Postfix";

/**
 * The parameters whose tables see Received: fields, and how: a field as one text, or each line of it (header_checks(5)). Those that the
 * code does not act on yet are left out by their row.
 */
const CHECKS = {
  header_checks: "field",
  nested_header_checks: "field",
  milter_header_checks: "field",
  smtp_header_checks: "field",
  smtp_nested_header_checks: "field",
  lmtp_header_checks: "field",
  lmtp_nested_header_checks: "field",
  body_checks: "line",
  smtp_body_checks: "line",
  lmtp_body_checks: "line",
} as const;

type Check = keyof typeof CHECKS;

/** Words that rules are searched for: a long table is not read for all it has. */
const MOST_WORDS = 40;

/** A rule that goes by the software's name: which table, and the line of it where that is known. */
interface Named {
  readonly spec: string;
  readonly line: number | undefined;
  /** Whose fields it is for. */
  readonly matches: "Postfix's" | "ours";
}

/**
 * Rules of header and body checks that decide otherwise for a Received: field with our mail_name than for the one that Postfix would
 * have written. Nothing, where mail_name is set: then Postfix would have written that name.
 */
export function namePatterns(configuration: Configuration): Diagnostic[] {
  const mailName = nameOf(configuration);
  if (mailName === undefined || mailName === POSTFIX) return [];
  const seen = new Set<string>();
  return listsOf(configuration).flatMap(({ check, value }) => {
    const key = `${CHECKS[check]} ${value}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return namedIn(value, check, mailName, configuration);
  });
}

/** The built-in name, where a service writes it. */
function nameOf({ isSet, settings, services }: Configuration): string | undefined {
  if (isSet("mail_name")) return undefined;
  const { fallback } = parameters.mail_name;
  const smtpds = services.filter(({ program }) => LISTENING_PROGRAMS.has(program));
  const names = smtpds.length === 0 ? [settings.mail_name] : smtpds.map((each) => each.settings.mail_name);
  return names.includes(fallback) ? fallback : undefined;
}

/** The lists of tables in main.cf, and in the entries of the programs that read them. */
function listsOf(configuration: Configuration): { check: Check; value: string }[] {
  return (Object.keys(CHECKS) as Check[]).filter(isHonoured).flatMap((check) => {
    const readers = configuration.services.filter(({ program }) => parameters[check].daemons === program);
    return [configuration, ...readers].map((each) => ({ check, value: each.parameter(check) ?? "" }))
      .filter(({ value }) => value !== "");
  });
}

/** What a list of tables has for one of the two names only; one finding for each table. */
function namedIn(value: string, check: Check, mailName: string, configuration: Configuration): Diagnostic[] {
  const context = contextOf(configuration);
  const tables = splitList(value).map((spec) => openTable(spec, context));
  try {
    const found = [...differences(tables, CHECKS[check], { mailName, configuration })];
    return tables.flatMap(({ spec }) => findingsOf(spec, found, { check, mailName, context }));
  } finally {
    tables.forEach((table) => table.close());
  }
}

/** Tables of this process only; who serves from them says what is wrong with them. */
function contextOf(configuration: Configuration): TableContext {
  return {
    directory: configuration.directory,
    parameter: (name) => configuration.parameter(name),
    warn: () => {},
    clock: () => 0,
    standIn: (type, spec) =>
      isInProcess(type) ? undefined : { spec, pattern: false, lookup: () => ABSENT, close: () => {} },
  };
}

/** Holds each sample in both spellings against the tables, as the checks do. */
function* differences(
  tables: readonly Table[],
  how: "field" | "line",
  { mailName, configuration }: { mailName: string; configuration: Configuration },
): Iterable<Named> {
  const { myhostname } = configuration.settings;
  const [words, guesses] = [wordsIn(tables), guessesOf(tables)];
  const written = (name: string) => {
    const own = guesses.map((text) => text.replace(/Postfix/gi, name));
    const fields = [...sampleReceived({ myhostname, mailName: name }, words), ...own];
    return how === "field" ? fields : fields.flatMap((field) => field.split("\n"));
  };
  const ours = written(mailName);
  for (const [at, text] of written(POSTFIX).entries()) {
    const [theirs, here] = [firstMatch(tables, text), firstMatch(tables, ours[at]!)];
    if (theirs === undefined || here === undefined) {
      if (theirs !== undefined) yield { ...theirs, matches: "Postfix's" };
      if (here !== undefined) yield { ...here, matches: "ours" };
    } else if (theirs.spec !== here.spec || theirs.line !== here.line) {
      yield { ...theirs, matches: "Postfix's" };
    }
  }
}

function firstMatch(tables: readonly Table[], text: string): Omit<Named, "matches"> | undefined {
  for (const { spec, lookup } of tables) {
    const answer = lookup(text);
    if (isPromise(answer) || answer.is === "trouble") return undefined;
    if (answer.is === "found") return { spec, line: answer.line };
  }
  return undefined;
}

const samplesIn = (tables: readonly Table[]) =>
  tables.flatMap((table) => [...table.possible?.(() => true) ?? []])
    .flatMap((each) => each.is === "pattern" ? each.samples : []);

/** Names and addresses that rules may single out: what they have beside the words of the field itself. */
function wordsIn(tables: readonly Table[]): string[] {
  const words = samplesIn(tables).flatMap((text) => text.match(/[\w.:@-]{3,}/g) ?? []);
  return [...new Set(words)].filter((word) => !/^Received:?$|Postfix|^(?:from|with|E?SMTPS?A?)$/i.test(word))
    .slice(0, MOST_WORDS);
}

/** Received: fields that rules were made for, as far as a pattern tells. */
function guessesOf(tables: readonly Table[]): string[] {
  return samplesIn(tables).filter((text) => /^\s*Received:/i.test(text) && /Postfix/i.test(text));
}

function findingsOf(
  spec: string,
  found: readonly Named[],
  { check, mailName, context }: { check: Check; mailName: string; context: TableContext },
): Diagnostic[] {
  const name = spec.slice(spec.indexOf(":") + 1);
  const inline = name.startsWith("{");
  return (["Postfix's", "ours"] as const).flatMap((matches) => {
    const rules = found.filter((each) => each.spec === spec && each.matches === matches);
    if (rules.length === 0) return [];
    const lines = [...new Set(rules.flatMap(({ line }) => line ?? []))].sort((a, b) => a - b);
    return [{
      level: "warning" as const,
      text: textFor({ check, spec, lines, mailName, matches }),
      file: inline ? `${context.directory}/main.cf` : resolvePath(name, context),
      ...(!inline && lines.length > 0 && { line: lines[0]! }),
      parameter: check,
      hint:
        `set mail_name = ${POSTFIX}, or write (${POSTFIX}|${mailName}) for the name in the patterns, in those of their IF too`,
    }];
  });
}

function textFor(
  { check, spec, lines, mailName, matches }: {
    check: Check;
    spec: string;
    lines: readonly number[];
    mailName: string;
    matches: Named["matches"];
  },
): string {
  const where = lines.length === 0 ? "" : `line${lines.length > 1 ? "s" : ""} ${lines.join(", ")} of `;
  const [with_, without] = matches === "ours" ? [mailName, POSTFIX] : [POSTFIX, mailName];
  const writes = (name: string) => name === POSTFIX ? "as Postfix writes it" : "as it is written here";
  return `${check}: ${where}${spec} match${
    lines.length > 1 ? "" : "es"
  } a Received: field with "(${with_})", ${writes(with_)}, ` +
    `but not with "(${without})", ${writes(without)}`;
}
