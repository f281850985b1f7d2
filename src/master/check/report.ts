import { basename } from "node:path";
import { type Finding, SEVERITIES, type Severity } from "./finding.ts";

/** A line for people, as the command prints it and the start logs it. */
export interface ReportLine {
  readonly level: "fatal" | "warning" | "info";
  readonly text: string;
}

/** What is printed with -v only. */
const QUIET: ReadonlySet<Severity> = new Set(["harmless", "info"]);

const rank = ({ severity }: Finding) => SEVERITIES.indexOf(severity);

/**
 * One line for what is lost as one, the worst first: what is refused or closed and why, what is weaker, what is odd. With `all` each
 * line is followed by the settings behind it, and what has no effect and need not have is there too.
 */
export function reportLines(findings: readonly Finding[], all: boolean): ReportLine[] {
  const groups = [...grouped(findings)].sort((a, b) => rank(a[0]!) - rank(b[0]!));
  return groups.filter(([worst]) => all || !QUIET.has(worst!.severity)).flatMap((group) => {
    const line = lineOf(group);
    return all && group.length > 1 ? [line, ...group.map((each) => memberLine(each))] : [line];
  });
}

/** The same lines as `reportLines` has without `all`, each with how bad it is. */
export function gravest(
  findings: readonly Finding[],
): readonly { readonly severity: Severity; readonly text: string }[] {
  return [...grouped(findings)].sort((a, b) => rank(a[0]!) - rank(b[0]!))
    .filter(([worst]) => !QUIET.has(worst!.severity))
    .map((group) => ({ severity: group[0]!.severity, text: lineOf(group).text }));
}

/** Findings of one feature together, the worst of them first; one without a feature stands alone. */
function grouped(findings: readonly Finding[]): Finding[][] {
  const groups = new Map<string, Finding[]>();
  for (const [at, finding] of findings.entries()) {
    const key = finding.feature ?? String(at);
    groups.set(key, [...groups.get(key) ?? [], finding]);
  }
  return [...groups.values()].map((group) => group.sort((a, b) => rank(a) - rank(b)));
}

const PREFIXES: Readonly<Record<Severity, string>> = {
  refused: "",
  closed: "closed: ",
  weaker: "weaker: ",
  warning: "",
  harmless: "no effect: ",
  info: "",
};

function lineOf(group: readonly Finding[]): ReportLine {
  const [worst] = group;
  const text = group.length === 1 || worst!.consequence === undefined
    ? worst!.text
    : `${worst!.consequence} (${settingsOf(group)})`;
  return { level: levelOf(worst!), text: prefixOf(worst!) + text };
}

/** Whatever a daemon of Postfix would say as it dies is fatal here too, though the others serve. */
function levelOf({ severity, closes }: Finding): ReportLine["level"] {
  if (severity === "refused" || closes !== undefined) return "fatal";
  return QUIET.has(severity) ? "info" : "warning";
}

const prefixOf = ({ severity, closes }: Finding) => closes === undefined ? PREFIXES[severity] : "";

function memberLine({ severity, text }: Finding): ReportLine {
  return { level: QUIET.has(severity) ? "info" : "warning", text: `  ${text}` };
}

/** `smtpd_milters and 3 more settings: main.cf lines 12, 20-22`. */
function settingsOf(group: readonly Finding[]): string {
  const [{ parameter, service }] = group as [Finding];
  const number = new Set(group.map(({ file, line, parameter }) => `${file} ${line} ${parameter}`)).size;
  const name = parameter ?? service;
  const rest = number === 1 ? "" : ` and ${number - 1} more ${number === 2 ? "setting" : "settings"}`;
  const closed = group.flatMap(({ severity, service }) =>
    severity === "closed" && service !== undefined ? [service] : []
  );
  const services = closed.length === 0 ? "" : `; services ${[...new Set(closed)].join(", ")}`;
  return `${name === undefined ? `${number} settings` : name + rest}: ${placesOf(group)}${services}`;
}

function placesOf(group: readonly Finding[]): string {
  const lines = new Map<string, Set<number>>();
  for (const { file = "", line } of group) {
    const of = lines.get(file) ?? new Set();
    lines.set(file, of);
    if (line !== undefined) of.add(line);
  }
  return [...lines].map(([file, of]) => {
    const name = file.includes("/") ? basename(file) : file;
    return of.size === 0 ? name : `${name} ${of.size === 1 ? "line" : "lines"} ${ranges([...of])}`;
  }).join("; ");
}

/** `3, 5-8`. */
export function ranges(numbers: readonly number[]): string {
  const parts: [first: number, last: number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const part = parts.at(-1);
    if (part !== undefined && number <= part[1] + 1) part[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(", ");
}

const COUNTED: readonly (readonly [Severity, string])[] = [
  ["refused", "refused"],
  ["closed", "closed"],
  ["weaker", "weaker"],
  ["warning", "to look at"],
];

/** The last line: what it all comes to. */
export function summaryLine(findings: readonly Finding[]): ReportLine {
  const groups = grouped(findings);
  const number = (severity: Severity) => groups.filter(([worst]) => worst!.severity === severity).length;
  const counts = COUNTED.flatMap(([severity, word]) =>
    number(severity) === 0 ? [] : [`${number(severity)} ${word}`]
  );
  const silent = groups.filter(([worst]) => worst!.severity === "harmless").flat().length;
  const losses = number("closed") + number("weaker") > 0;
  const verdict = number("refused") > 0
    ? "does not start"
    : losses
    ? "serves, with losses"
    : "serves in full";
  return {
    level: "info",
    text: [verdict + listed(counts, losses || number("refused") > 0), ...notes(silent)].join("; "),
  };
}

function listed(counts: readonly string[], losses: boolean): string {
  return counts.length === 0 ? "" : `${losses ? ": " : ", "}${counts.join(", ")}`;
}

function notes(silent: number): string[] {
  if (silent === 0) return [];
  const [what, them] = silent === 1 ? ["setting has", "it"] : ["settings have", "them"];
  return [`${silent} ${what} no effect and need not have (-v names ${them})`];
}
