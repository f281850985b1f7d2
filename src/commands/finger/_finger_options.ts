/** What the arguments ask for (posttls-finger(1)). */
export interface FingerOptions {
  /** -a */
  readonly family: "any" | "ipv4" | "ipv6";
  /** -A: files of trust anchors. */
  readonly trustAnchors: readonly string[];
  /** Not -c: what both sides say is shown. */
  readonly chat: boolean;
  /** -C */
  readonly printsChain: boolean;
  /** -f */
  readonly forceTlsa: boolean;
  /** -h */
  readonly hostLookup: readonly ("dns" | "native")[];
  /** -l; undefined leaves it at `dane`. */
  readonly level: string | undefined;
  /** -m */
  readonly reconnects: number;
  /** -M */
  readonly insecureMx: "may" | "encrypt" | "dane";
  /** -r: seconds; undefined for one connection. */
  readonly reconnectAfter: number | undefined;
  /** -S: LMTP. */
  readonly lmtp: boolean;
  /** -t and -T, in milliseconds. */
  readonly connectTimeout: number;
  readonly commandTimeout: number;
  readonly verbose: boolean;
  /** -w: TLS from the first byte. */
  readonly wrapper: boolean;
  /** -X */
  readonly throughTlsproxy: boolean;
  readonly json: boolean;
  /** Parameters by which the client is set up: -d -F -g -H -k -K -L -p -P -s, and -o in front of them. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly destination: string;
  readonly match: readonly string[];
}

/** The arguments are none that the command knows: its usage is shown. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

/** They make no sense: `fatal: TEXT`. */
export class FingerFault extends Error {
  override readonly name = "FingerFault";
}

export const FINGER_LETTERS = "a:ch:o:St:T:vA:Cd:fF:g:H:k:K:l:L:m:M:p:P:r:s:wX";

type Draft = { -readonly [Name in keyof FingerOptions]: FingerOptions[Name] };

/** Reads them as getopt(3) does: options end with the destination. */
export function parseFingerOptions(args: readonly string[]): FingerOptions {
  const draft = fresh();
  const rest = eachOption(args, (letter, value) => {
    if (letter === "k") pairWith(draft, "smtp_tls_cert_file", "smtp_tls_key_file", value);
    else if (letter === "K") pairWith(draft, "smtp_tls_key_file", "smtp_tls_cert_file", value);
    else take(draft, letter, value);
  });
  const { smtp_tls_chain_files: chains, smtp_tls_cert_file: certificate } = draft.parameters;
  if (draft.throughTlsproxy && draft.reconnectAfter !== undefined) {
    throw new FingerFault("The -X and -r options are mutually exclusive");
  }
  if (chains !== "" && certificate !== "") {
    throw new FingerFault("When the '-H' option is used, neither the '-k', nor the '-K' options may be used");
  }
  if (draft.level?.toLowerCase() === "none" && draft.wrapper) {
    throw new FingerFault("SSL wrapper mode requires that TLS not be disabled");
  }
  [draft.destination = "", ...draft.match] = rest;
  if (rest.length === 0) throw new UsageFault();
  return draft;
}

function fresh(): Draft {
  return {
    family: "any",
    trustAnchors: [],
    chat: true,
    printsChain: false,
    forceTlsa: false,
    hostLookup: ["dns"],
    level: undefined,
    reconnects: 5,
    insecureMx: "dane",
    reconnectAfter: undefined,
    lmtp: false,
    connectTimeout: 30_000,
    commandTimeout: 30_000,
    verbose: false,
    wrapper: false,
    throughTlsproxy: false,
    json: false,
    destination: "",
    match: [],
    parameters: {
      smtp_tls_CAfile: "",
      smtp_tls_CApath: "",
      smtp_tls_cert_file: "",
      smtp_tls_chain_files: "",
      smtp_tls_exclude_ciphers: "",
      smtp_tls_key_file: "",
      smtp_tls_loglevel: "routine,certmatch",
      smtp_tls_mandatory_ciphers: "medium",
      smtp_tls_mandatory_exclude_ciphers: "",
      smtp_tls_mandatory_protocols: ">=TLSv1",
      smtp_tls_servername: "",
    },
  };
}

/** Calls for each option with its value; answers the operands. */
function eachOption(
  args: readonly string[],
  hear: (letter: string, value: string) => void,
): readonly string[] {
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") return args.slice(at + 1);
    if (arg === "--json") hear("json", "");
    else if (!arg.startsWith("-") || arg === "-") return args.slice(at);
    else at += eachLetter(arg, args[at + 1], hear);
  }
  return [];
}

/** The letters of one argument; answers how many further arguments they have taken. */
function eachLetter(
  arg: string,
  next: string | undefined,
  hear: (letter: string, value: string) => void,
): 0 | 1 {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg[at]!;
    const known = letter === ":" ? -1 : FINGER_LETTERS.indexOf(letter);
    if (known < 0) throw new UsageFault(`invalid option -- '${letter}'`);
    if (FINGER_LETTERS[known + 1] !== ":") {
      hear(letter, "");
      continue;
    }
    const rest = arg.slice(at + 1);
    if (rest !== "") return (hear(letter, rest), 0);
    if (next === undefined) throw new UsageFault(`option requires an argument -- '${letter}'`);
    return (hear(letter, next), 1);
  }
  return 0;
}

/** What an option sets as it stands. */
const FLAGS: Readonly<Record<string, (draft: Draft) => void>> = {
  c: (draft) => draft.chat = false,
  C: (draft) => draft.printsChain = true,
  f: (draft) => draft.forceTlsa = true,
  S: (draft) => draft.lmtp = true,
  v: (draft) => draft.verbose = true,
  w: (draft) => draft.wrapper = true,
  X: (draft) => draft.throughTlsproxy = true,
  json: (draft) => draft.json = true,
};

/** The parameter that an option stands for. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  d: ["smtp_tls_fingerprint_digest"],
  F: ["smtp_tls_CAfile"],
  g: ["smtp_tls_mandatory_ciphers"],
  L: ["smtp_tls_loglevel"],
  p: ["smtp_tls_mandatory_protocols"],
  P: ["smtp_tls_CApath"],
  s: ["smtp_tls_servername"],
};

function take(draft: Draft, letter: string, value: string): void {
  const flag = FLAGS[letter];
  if (flag !== undefined) return flag(draft);
  const names = PARAMETERS[letter];
  if (names !== undefined) return set(draft, Object.fromEntries(names.map((name) => [name, value])));
  switch (letter) {
    case "a":
      return void (draft.family = familyOf(value));
    case "A":
      return void (draft.trustAnchors = [...draft.trustAnchors, value]);
    case "h":
      return void (draft.hostLookup = lookupsOf(value));
    case "H":
      return set(draft, { smtp_tls_chain_files: `${draft.parameters.smtp_tls_chain_files} ${value}`.trim() });
    case "l":
      return void (draft.level = value);
    case "m":
      return void (draft.reconnects = whole(value));
    case "M":
      return void (draft.insecureMx = insecureMxOf(value));
    case "o":
      return override(draft, value);
    case "r":
      return void (draft.reconnectAfter = whole(value) > 0 ? whole(value) : undefined);
    case "t":
      return void (draft.connectTimeout = 1000 * whole(value));
    case "T":
      return void (draft.commandTimeout = 1000 * whole(value));
  }
}

function set(draft: Draft, parameters: Readonly<Record<string, string>>): void {
  draft.parameters = { ...draft.parameters, ...parameters };
}

/** Without the one file the certificate, or the key, stands in the other (smtp_tls_key_file). */
function pairWith(draft: Draft, own: string, other: string, file: string): void {
  set(draft, { [own]: file, [other]: draft.parameters[other] || file });
}

/** atoi(3). */
function whole(text: string): number {
  return Number(/^\s*[+-]?\d+/.exec(text)?.[0] ?? 0);
}

function familyOf(word: string): FingerOptions["family"] {
  if (word === "any" || word === "ipv4" || word === "ipv6") return word;
  throw new FingerFault(`bad '-a' option value: ${word}`);
}

function insecureMxOf(word: string): FingerOptions["insecureMx"] {
  const level = word.toLowerCase();
  if (level === "may" || level === "encrypt" || level === "dane") return level;
  throw new FingerFault(`bad '-M' option value: ${word}`);
}

function lookupsOf(list: string): FingerOptions["hostLookup"] {
  return list.split(/[\s,]+/).filter((word) => word !== "").map((word) => {
    const lookup = word.toLowerCase();
    if (lookup === "dns" || lookup === "native") return lookup;
    throw new FingerFault(`unknown -h option value "${word}" in "${list}"`);
  });
}

/** `name=value`, as in master.cf. */
function override(draft: Draft, text: string): void {
  const match = /^\s*([^\s=]+)\s*=\s*(.*?)\s*$/s.exec(text);
  if (match === null) throw new UsageFault();
  set(draft, { [match[1]!]: match[2]! });
}
