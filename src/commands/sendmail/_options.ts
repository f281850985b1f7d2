import { type Complaints, SendmailFault } from "./_complaints.ts";
import { Letters } from "./_letters.ts";
import {
  type Draft,
  EFFECTS,
  type Mode,
  type OptionSettings,
  type Reading,
  type SendmailOptions,
  takeVerp,
  warn,
} from "./_option_effects.ts";

/** Letters of sendmail(1), also those that mean nothing any more. */
const LETTERS = "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx";

/** The configuration directory that the last -C names; options that getopt does not know are complained of a first time. */
export function namedDirectory(words: readonly string[], complaints: Complaints): string | undefined {
  const letters = new Letters(words, LETTERS);
  let directory: string | undefined;
  for (;;) {
    if (letters.word === "-q") {
      letters.skipWord();
      continue;
    }
    const option = letters.next();
    if (option === undefined) return directory;
    if (option.bad !== undefined) complaints.plain(option.bad);
    else if (option.letter === "C") directory = option.argument;
  }
}

const NAMED_MODES: Readonly<Record<string, Mode>> = { mailq: "mailq", newaliases: "newaliases" };

/** Words that are none of getopt's: whether it was one of them. */
function takeWord(reading: Reading, letters: Letters): boolean {
  const { draft, settings } = reading;
  const { word = "" } = letters;
  const isOldVerp = word === "-V" && letters.wordAfter?.length === 2;
  if (isOldVerp) warn(reading, "option -V is deprecated with Postfix 2.3; specify -XV instead");
  if (isOldVerp || word === "-XV") draft.verp = settings.default_verp_delimiters;
  else if (word === "-q" && draft.mode === "daemon") warn(reading, "ignoring -q option in daemon mode");
  else if (word === "-q") draft.mode = "flush";
  else if (/^-V[^]{2}$/.test(word)) {
    warn(reading, `option ${word} is deprecated with Postfix 2.3; specify -X${word.slice(1)} instead`);
    takeVerp(reading, word.slice(1));
  } else return false;
  letters.skipWord();
  return true;
}

function fresh(name: string): Draft {
  return {
    mode: Object.hasOwn(NAMED_MODES, name) ? NAMED_MODES[name]! : "enqueue",
    dotEnds: true,
    recipientsFromHeader: false,
    verifyOnly: false,
    sender: undefined,
    fullName: undefined,
    body: undefined,
    notify: 0,
    ret: undefined,
    envid: undefined,
    verp: undefined,
    relayed: false,
    requireTls: false,
    smtputf8: false,
    site: undefined,
    queueId: undefined,
    interval: undefined,
    aliases: undefined,
    verbose: 0,
    recipients: [],
  };
}

/** Reads the words of a call in their order, as sendmail(1) does. `verbose`: how many -v there were before. */
export function readOptions(
  call: { readonly name: string; readonly verbose: number; readonly words: readonly string[] },
  settings: OptionSettings,
  complaints: Complaints,
): SendmailOptions {
  const draft = fresh(call.name);
  draft.verbose = call.verbose;
  const reading: Reading = { draft, settings, complaints };
  const letters = new Letters(call.words, LETTERS);
  for (;;) {
    if (takeWord(reading, letters)) continue;
    const option = letters.next();
    if (option === undefined) break;
    if (option.bad !== undefined) {
      complaints.plain(option.bad);
      throw new SendmailFault(`usage: ${call.name} [options]`);
    }
    EFFECTS[option.letter]?.(reading, option.argument);
  }
  draft.recipients = letters.rest;
  refuseConflicts(draft);
  return draft;
}

/** Options that exclude each other, in the order in which Postfix looks. */
function refuseConflicts(options: SendmailOptions): void {
  const { mode, recipientsFromHeader, verifyOnly, notify, ret, verbose } = options;
  const conflicts: readonly (readonly [boolean, string])[] = [
    [recipientsFromHeader && mode !== "enqueue", "-t can be used only in delivery mode"],
    [options.site !== undefined && mode !== "enqueue", "-qR can be used only in delivery mode"],
    [options.queueId !== undefined && mode !== "enqueue", "-qI can be used only in delivery mode"],
    [verifyOnly && recipientsFromHeader, "-t option cannot be used with -bv"],
    [verifyOnly && notify !== 0, "-N option cannot be used with -bv"],
    [verifyOnly && ret !== undefined, "-R option cannot be used with -bv"],
    [verifyOnly && verbose === 1, "-v option cannot be used with -bv"],
  ];
  const found = conflicts.find(([isThere]) => isThere);
  if (found !== undefined) throw new SendmailFault(found[1]);
}
