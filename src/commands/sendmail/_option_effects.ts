import { type Complaints, SendmailFault } from "./_complaints.ts";
import { readNotify, readReturn } from "./_dsn_options.ts";

/** What sendmail shall do. The name it is called by says so, until an option says something else. */
export type Mode = "enqueue" | "newaliases" | "mailq" | "daemon" | "session" | "flush" | "nothing";

/** What the options ask for. */
export interface SendmailOptions {
  readonly mode: Mode;
  /** A line with nothing but a dot ends the message (no -i). */
  readonly dotEnds: boolean;
  /** -t */
  readonly recipientsFromHeader: boolean;
  /** -bv */
  readonly verifyOnly: boolean;
  /** -f, -r: as it was written. */
  readonly sender: string | undefined;
  readonly fullName: string | undefined;
  readonly body: "7BIT" | "8BITMIME" | undefined;
  /** -N, as bits of NOTIFY; 0 is none. */
  readonly notify: number;
  readonly ret: "FULL" | "HDRS" | undefined;
  readonly envid: string | undefined;
  readonly verp: string | undefined;
  /** -G */
  readonly relayed: boolean;
  /** -O REQUIRETLS=yes */
  readonly requireTls: boolean;
  /** -O SMTPUTF8=yes */
  readonly smtputf8: boolean;
  /** -qR */
  readonly site: string | undefined;
  /** -qI */
  readonly queueId: string | undefined;
  /** -q with a time. */
  readonly interval: string | undefined;
  /** -oA */
  readonly aliases: string | undefined;
  readonly verbose: number;
  readonly recipients: readonly string[];
}

/** Settings that options are read under. */
export interface OptionSettings {
  readonly default_verp_delimiters: string;
  readonly verp_delimiter_filter: string;
  readonly requiretls_enable: boolean;
  readonly smtputf8_enable: boolean;
}

/** Options while they are read. */
export type Draft = { -readonly [Name in keyof SendmailOptions]: SendmailOptions[Name] };

/** What an option is read with. */
export interface Reading {
  readonly draft: Draft;
  readonly settings: OptionSettings;
  readonly complaints: Complaints;
}

/** Says what is odd, and goes on. */
export function warn({ complaints }: Reading, text: string): void {
  complaints.say("warning", text);
}

/** -b and its modes. */
const MODES: Readonly<Record<string, Mode>> = {
  d: "daemon",
  l: "daemon",
  h: "nothing",
  H: "nothing",
  i: "newaliases",
  m: "enqueue",
  p: "mailq",
  s: "session",
};

function takeMode(reading: Reading, argument: string): void {
  const { draft } = reading;
  const letter = argument.charAt(0);
  if (letter === "v") {
    draft.verifyOnly = true;
    return;
  }
  const mode = Object.hasOwn(MODES, letter) ? MODES[letter] : undefined;
  if (mode === undefined) throw new SendmailFault(`unsupported: -b${letter}`);
  if (mode === "daemon" && draft.mode === "flush") warn(reading, "ignoring -q option in daemon mode");
  draft.mode = mode;
}

/** -XV with its two delimiters. */
export function takeVerp({ draft, settings }: Reading, argument: string): void {
  if (!argument.startsWith("V")) throw new SendmailFault(`unsupported: -X${argument.charAt(0)}`);
  const delimiters = argument.slice(1);
  const { verp_delimiter_filter: filter } = settings;
  if (delimiters.length !== 2 || [...delimiters].some((sign) => !filter.includes(sign))) {
    throw new SendmailFault(`-V requires two characters from ${filter}`);
  }
  draft.verp = delimiters;
}

function takeQueue({ draft }: Reading, argument: string): void {
  const [kind = "", what] = [argument[0], argument.slice(1)];
  if (/^\d/.test(argument)) draft.interval = argument;
  else if (kind === "R") draft.site = named(what, "specify: -qRsitename");
  else if (kind === "I") draft.queueId = named(what, "specify: -qIqueueid");
  else throw new SendmailFault(`-q${kind} is not implemented`);
}

function named(text: string, complaint: string): string {
  if (text === "") throw new SendmailFault(complaint);
  return text;
}

/** Longest envelope id, and what it may be made of (RFC 3461 §4.4). */
const LONGEST_ENVID = 100;
const PRINTABLE = /^[\x20-\x7e]*$/;

function takeEnvelopeId(reading: Reading, argument: string): void {
  if (argument.length > LONGEST_ENVID) warn(reading, "too long -V option value -- ignored");
  else if (!PRINTABLE.test(argument)) warn(reading, "bad syntax in -V option value -- ignored");
  else reading.draft.envid = argument;
}

function takeOld({ draft }: Reading, argument: string): void {
  if (argument === "i" || argument.startsWith("i")) draft.dotEnds = false;
  if (argument.startsWith("A")) draft.aliases = named(argument.slice(1), "-oA requires pathname");
}

/** Long options that mean something (sendmail(1) of 3.11): whether the feature is on, and where the wish goes. */
const WISHES = {
  REQUIRETLS: { parameter: "requiretls_enable", field: "requireTls" },
  SMTPUTF8: { parameter: "smtputf8_enable", field: "smtputf8" },
} as const;

function takeLong(reading: Reading, argument: string): void {
  const [, name = "", value = ""] = /^([^=]*)=?([^]*)$/.exec(argument) ?? [];
  const wish = Object.entries(WISHES).find(([known]) => known === name.toUpperCase())?.[1];
  if (wish === undefined || !argument.includes("=")) return;
  if (!reading.settings[wish.parameter]) {
    warn(reading, `Ignoring option '-O ${argument}', because the configuration is '${wish.parameter} = no'`);
  } else if (/^(?:yes|no)$/i.test(value)) reading.draft[wish.field] = value.toLowerCase() === "yes";
  else warn(reading, `bad -O option: '${argument}' -- ignored`);
}

/** What each letter does; others are taken and mean nothing. */
export const EFFECTS: Readonly<Record<string, (reading: Reading, argument: string) => void>> = {
  n: () => {
    throw new SendmailFault("-n option not supported");
  },
  B: ({ draft }, argument) => {
    if (argument !== "8BITMIME" && argument !== "7BIT") {
      throw new SendmailFault("-B option needs 8BITMIME or 7BIT");
    }
    draft.body = argument;
  },
  F: ({ draft }, argument) => draft.fullName = argument,
  G: ({ draft }) => draft.relayed = true,
  I: ({ draft }) => draft.mode = "newaliases",
  N: (reading, argument) => {
    reading.draft.notify = readNotify(argument, (text) => warn(reading, text));
  },
  O: takeLong,
  R: (reading, argument) => {
    reading.draft.ret = readReturn(argument, (text) => warn(reading, text));
  },
  V: takeEnvelopeId,
  X: takeVerp,
  b: takeMode,
  f: ({ draft }, argument) => draft.sender = argument,
  r: ({ draft }, argument) => draft.sender = argument,
  i: ({ draft }) => draft.dotEnds = false,
  o: takeOld,
  q: takeQueue,
  t: ({ draft }) => draft.recipientsFromHeader = true,
  v: ({ draft }) => draft.verbose++,
};
