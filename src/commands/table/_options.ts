import { isUtf8 } from "node:buffer";
import { lineText } from "../../table/text/source_lines.ts";

/** What is the same and what differs between postmap(1) and postalias(1). */
export interface ToolStyle {
  readonly program: "postmap" | "postalias";
  /** getopt(3) letters; a colon follows those with an argument. */
  readonly letters: string;
  readonly usage: string;
  readonly format: "map" | "alias";
  /** Between key and value in listings. */
  readonly separator: string;
}

/** What the arguments ask for. */
export interface ToolOptions {
  readonly mode: "create" | "query" | "delete" | "list";
  readonly incremental: boolean;
  readonly onDuplicate: "warn" | "replace" | "ignore";
  readonly fold: boolean;
  readonly nul: "both" | "with" | "without";
  readonly keepOwner: boolean;
  readonly keepMode: boolean;
  readonly valuesAreFiles: boolean;
  /** -u */
  readonly noUtf8: boolean;
  /** -b -h -m: how to take a message on standard input apart. */
  readonly body: boolean;
  readonly header: boolean;
  readonly mime: boolean;
  /** -U */
  readonly forceUtf8: boolean;
  readonly configDirectory: string | undefined;
  /** Of -q or -d, as bytes. */
  readonly key: Uint8Array | undefined;
  readonly json: boolean;
  readonly tables: readonly string[];
}

/** Ends the tool: `postmap: fatal: TEXT`, exit 1. Lines before it are printed as they are. */
export class ToolFault extends Error {
  override readonly name = "ToolFault";
  readonly before: readonly string[];

  constructor(text: string, before: readonly string[] = []) {
    super(text);
    this.before = before;
  }
}

/** Writable while the arguments are walked. */
type Draft = { -readonly [Name in keyof ToolOptions]: ToolOptions[Name] };

const fresh = (configDirectory: string | undefined): Draft => ({
  mode: "create",
  incremental: false,
  onDuplicate: "warn",
  fold: true,
  nul: "both",
  keepOwner: true,
  keepMode: true,
  valuesAreFiles: false,
  noUtf8: false,
  body: false,
  header: false,
  mime: false,
  forceUtf8: false,
  configDirectory,
  key: undefined,
  json: false,
  tables: [],
});

function setMode(draft: Draft, mode: "query" | "delete" | "list", key: Uint8Array | undefined): void {
  if (draft.mode !== "create") {
    throw new ToolFault(
      mode === "list" ? "specify only one of -s or -q or -d" : "specify only one of -s -q or -d",
    );
  }
  draft.mode = mode;
  draft.key = key;
}

/** Each letter's effect. */
const EFFECTS: Readonly<Record<string, (draft: Draft, argument: Uint8Array | undefined) => void>> = {
  b: (draft) => draft.body = true,
  c: (draft, argument) => draft.configDirectory = Buffer.from(argument!).toString(),
  d: (draft, argument) => setMode(draft, "delete", argument),
  f: (draft) => draft.fold = false,
  F: (draft) => draft.valuesAreFiles = true,
  h: (draft) => draft.header = true,
  i: (draft) => draft.incremental = true,
  m: (draft) => draft.mime = true,
  n: (draft) => draft.nul = "without",
  N: (draft) => draft.nul = "with",
  o: (draft) => draft.keepOwner = false,
  p: (draft) => draft.keepMode = false,
  q: (draft, argument) => setMode(draft, "query", argument),
  r: (draft) => draft.onDuplicate = "replace",
  s: (draft) => setMode(draft, "list", undefined),
  u: (draft) => draft.noUtf8 = true,
  U: (draft) => draft.forceUtf8 = true,
  v: () => {},
  w: (draft) => draft.onDuplicate = "ignore",
};

/** Reads the arguments as getopt(3) does: up to the first that is no option. Keys stay bytes. */
export function parseToolOptions(
  args: readonly Uint8Array[],
  style: ToolStyle,
  configDirectory: string | undefined,
): ToolOptions {
  const draft = fresh(configDirectory);
  const fail = (line: string) => new ToolFault(style.usage, [line]);
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at]!;
    const text = Buffer.from(arg).toString();
    if (text === "--json") {
      draft.json = true;
      continue;
    }
    if (text === "--") {
      at++;
      break;
    }
    if (!text.startsWith("-") || text === "-") break;
    at += takeLetters(draft, arg, args[at + 1], style, fail);
  }
  draft.tables = args.slice(at).map(tableName);
  if ((draft.body || draft.header || draft.mime) && !isStandardInput(draft)) {
    throw new ToolFault('specify -b -h or -m only with "-q -"');
  }
  if (draft.tables.length === 0 && draft.mode !== "list") throw new ToolFault(style.usage);
  return draft;
}

/** The runtime opens files by text; a name of other bytes would be another file's. */
function tableName(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return Buffer.from(bytes).toString();
  const name = Buffer.from(bytes);
  throw new ToolFault(`table name "${lineText(name, 0, name.length)}" is no UTF-8: rename the file`);
}

/** A cluster of letters; answers 1 when it took the next argument. */
function takeLetters(
  draft: Draft,
  arg: Uint8Array,
  next: Uint8Array | undefined,
  style: ToolStyle,
  fail: (line: string) => ToolFault,
): number {
  for (let at = 1; at < arg.length; at++) {
    const letter = String.fromCharCode(arg[at]!);
    const place = style.letters.indexOf(letter);
    if (letter === ":" || place < 0) throw fail(`invalid option -- '${letter}'`);
    if (style.letters[place + 1] !== ":") {
      EFFECTS[letter]!(draft, undefined);
      continue;
    }
    const argument = at + 1 < arg.length ? arg.subarray(at + 1) : next;
    if (argument === undefined) throw fail(`option requires an argument -- '${letter}'`);
    EFFECTS[letter]!(draft, argument);
    return at + 1 < arg.length ? 0 : 1;
  }
  return 0;
}

/** `-q -` and `-d -` take their keys from standard input. */
export function isStandardInput(options: Pick<ToolOptions, "mode" | "key">): boolean {
  return options.mode === "query" && options.key !== undefined && options.key.length === 1 &&
    options.key[0] === 0x2d;
}
