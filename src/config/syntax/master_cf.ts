import { isOrphan, type LogicalLine, logicalLines, orphanText, splitNameValue } from "./logical_lines.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { FIELD_COUNT, masterFields, optionsOf } from "./master_fields.ts";
import type { Service } from "../service.ts";

/** An entry of master.cf before main.cf is known. */
export interface MasterEntry {
  readonly name: string;
  readonly type: Service["type"];
  readonly private: boolean;
  readonly unprivileged: boolean;
  /** Undefined for `-`: the compatibility level decides. */
  readonly chroot: boolean | undefined;
  readonly wakeup: number;
  /** `?`: no wake-up before first use. */
  readonly wakeupWhenUsed: boolean;
  /** Undefined for `-`: $default_process_limit. */
  readonly processLimit: number | undefined;
  readonly program: string;
  readonly options: readonly { readonly name: string; readonly value: string }[];
  readonly args: readonly string[];
  readonly verbose: number;
  readonly line: number;
}

/** master.cf taken apart; of two entries with the same name and type both are here, in order. */
export interface MasterCf {
  readonly path: string;
  readonly entries: readonly MasterEntry[];
  readonly diagnostics: readonly Diagnostic[];
}

const TYPES: readonly Service["type"][] = ["inet", "unix", "unix-dgram", "fifo", "pass"];
const FIELD_NAMES = [
  "service",
  "transport type",
  "private",
  "unprivileged",
  "chroot",
  "wakeup_time",
  "max_proc",
  "command",
] as const;

/** What the fields of an entry may hold, for messages. */
const EXPECTED: Readonly<Record<(typeof FIELD_NAMES)[number], string>> = {
  service: "a port, host:port, or the name of a service",
  "transport type": `one of ${TYPES.join(", ")}`,
  private: 'y, n or "-" (y)',
  unprivileged: 'y, n or "-" (y)',
  chroot: 'y, n or "-"',
  wakeup_time: 'seconds, with "?" to wait for the first use, or "-" (never)',
  max_proc: 'a number, 0 for no limit, or "-" ($default_process_limit)',
  command: "a program such as smtpd, with its arguments",
};

class BadEntry extends Error {
  constructor(text: string, readonly value: string, readonly expected: string) {
    super(text);
  }
}

/** Reads one field; `-` gives the default. */
function field(words: readonly string[], at: number): string | undefined {
  const name = FIELD_NAMES[at]!;
  const word = words[at];
  if (word === undefined) throw new BadEntry(`missing "${name}" field`, words.join(" "), EXPECTED[name]);
  if (word !== "-") return word;
  if (at > 0 && at < 7 && name !== "transport type") return undefined;
  throw new BadEntry(`field "${name}" has no default value`, word, EXPECTED[name]);
}

function invalid(at: number, value: string): never {
  const name = FIELD_NAMES[at]!;
  throw new BadEntry(`field "${name}": bad value: "${value}"`, value, EXPECTED[name]);
}

function flag(words: readonly string[], at: number): boolean | undefined {
  const word = field(words, at);
  if (word === undefined) return undefined;
  return word === "y" ? true : word === "n" ? false : invalid(at, word);
}

const WAKEUP = /^(\d{1,9})(\?)?$/;
const LIMIT = /^\d{1,9}$/;

function typeOf(words: readonly string[]): Service["type"] {
  const word = field(words, 1);
  const type = TYPES.find((each) => each === word);
  if (type !== undefined) return type;
  throw new BadEntry(`bad transport type: ${word}`, word ?? "-", EXPECTED["transport type"]);
}

function privacy(words: readonly string[], type: Service["type"]): boolean {
  const own = flag(words, 2) ?? true;
  if (type === "inet" && own) {
    throw new BadEntry("inet service cannot be private", words[2]!, "n in the private field");
  }
  return own;
}

function readEntry({ text, line }: LogicalLine, warn: (text: string) => void): MasterEntry {
  const { words, warnings } = masterFields(text);
  for (const warning of warnings) throw new BadEntry(warning, text, "balanced braces");
  const name = words[0]!;
  const type = typeOf(words);
  const isPrivate = privacy(words, type);
  const [unprivileged, chroot] = [flag(words, 3) ?? true, flag(words, 4)];
  const wakeup = field(words, 5) ?? "0";
  const limit = field(words, 6);
  const seconds = WAKEUP.exec(wakeup) ?? invalid(5, wakeup);
  if (limit !== undefined && !LIMIT.test(limit)) invalid(6, limit);
  const program = field(words, 7)!;
  const { pairs, verbose, unknown, args } = optionsOf(words);
  for (const option of unknown) warn(`${program}: unknown option: ${option}`);
  return {
    name,
    type,
    private: isPrivate,
    unprivileged,
    chroot,
    wakeup: Number(seconds[1]),
    wakeupWhenUsed: seconds[2] !== undefined,
    processLimit: limit === undefined ? undefined : Number(limit),
    program,
    options: pairs.map(readOption),
    args,
    verbose,
    line,
  };
}

function readOption(pair: string): { name: string; value: string } {
  const parsed = splitNameValue(pair);
  if (typeof parsed !== "string") return parsed;
  throw new BadEntry(
    `invalid "-o ${pair}" option value: ${parsed}: "${pair}"`,
    pair,
    "-o name=value without blanks, or -o { name = value }",
  );
}

/** Reads master.cf as master(5) defines it; every bad entry becomes a diagnostic, and the others still count. */
export function parseMasterCf(text: string, path: string): MasterCf {
  const entries: MasterEntry[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const line of logicalLines(text)) {
    const place = { file: path, line: line.line };
    if (isOrphan(line)) {
      diagnostics.push({ level: "warning", text: orphanText(path, line), ...place });
      continue;
    }
    try {
      const warn = (what: string) =>
        diagnostics.push({ level: "warning", text: `${path}: line ${line.line}: ${what}`, ...place });
      entries.push(readEntry(line, warn));
    } catch (error) {
      if (!(error instanceof BadEntry)) throw error;
      const { message, value, expected } = error;
      const service = line.text.split(/[ \t\r]+/, FIELD_COUNT).slice(0, 2).join("/");
      diagnostics.push({
        level: "fatal",
        text: `${path}: line ${line.line}: ${message}`,
        ...place,
        service,
        value,
        expected,
      });
    }
  }
  return { path, entries, diagnostics };
}
