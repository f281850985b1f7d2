/** The commands of the milter protocol, MTA to filter, by the letter that begins a packet (libmilter's mfdef.h). */
export const COMMANDS = {
  abort: "A",
  body: "B",
  connect: "C",
  macro: "D",
  bodyEnd: "E",
  helo: "H",
  header: "L",
  mail: "M",
  headerEnd: "N",
  negotiate: "O",
  quit: "Q",
  rcpt: "R",
  data: "T",
  unknown: "U",
} as const;

/** The letter of a command. */
export type CommandLetter = (typeof COMMANDS)[keyof typeof COMMANDS];

/** How log lines name them. */
export const COMMAND_NAMES: Readonly<Record<CommandLetter, string>> = {
  A: "SMFIC_ABORT",
  B: "SMFIC_BODY",
  C: "SMFIC_CONNECT",
  D: "SMFIC_MACRO",
  E: "SMFIC_BODYEOB",
  H: "SMFIC_HELO",
  L: "SMFIC_HEADER",
  M: "SMFIC_MAIL",
  N: "SMFIC_EOH",
  O: "SMFIC_OPTNEG",
  Q: "SMFIC_QUIT",
  R: "SMFIC_RCPT",
  T: "SMFIC_DATA",
  U: "SMFIC_UNKNOWN",
};

/** The responses, filter to MTA. */
export const RESPONSES = {
  addRecipient: "+",
  deleteRecipient: "-",
  addRecipientWith: "2",
  shutdown: "4",
  accept: "a",
  replaceBody: "b",
  continue: "c",
  discard: "d",
  changeSender: "e",
  addHeader: "h",
  insertHeader: "i",
  changeHeader: "m",
  progress: "p",
  quarantine: "q",
  reject: "r",
  skip: "s",
  tempfail: "t",
  replyCode: "y",
} as const;

const RESPONSE_NAMES: Readonly<Record<string, string>> = {
  "+": "SMFIR_ADDRCPT",
  "-": "SMFIR_DELRCPT",
  "2": "SMFIR_ADDRCPT_PAR",
  "4": "SMFIR_SHUTDOWN",
  a: "SMFIR_ACCEPT",
  b: "SMFIR_REPLBODY",
  c: "SMFIR_CONTINUE",
  d: "SMFIR_DISCARD",
  e: "SMFIR_CHGFROM",
  f: "SMFIR_CONN_FAIL",
  h: "SMFIR_ADDHEADER",
  i: "SMFIR_INSHEADER",
  l: "SMFIR_SETSYMLIST",
  m: "SMFIR_CHGHEADER",
  p: "SMFIR_PROGRESS",
  q: "SMFIR_QUARANTINE",
  r: "SMFIR_REJECT",
  s: "SMFIR_SKIP",
  t: "SMFIR_TEMPFAIL",
  y: "SMFIR_REPLYCODE",
};

/** How log lines name a response. */
export function responseName(letter: string): string {
  return RESPONSE_NAMES[letter] ?? "(unknown filter reply)";
}

/** What a filter does not want to hear, or does not answer to, bit by bit (SMFIP_). */
export const EVENTS = {
  noConnect: 1 << 0,
  noHelo: 1 << 1,
  noMail: 1 << 2,
  noRcpt: 1 << 3,
  noBody: 1 << 4,
  noHeaders: 1 << 5,
  noHeaderEnd: 1 << 6,
  noHeaderReply: 1 << 7,
  noUnknown: 1 << 8,
  noData: 1 << 9,
  /** SKIP is understood. */
  skip: 1 << 10,
  /** It wants refused recipients too. */
  refusedRecipients: 1 << 11,
  noConnectReply: 1 << 12,
  noHeloReply: 1 << 13,
  noMailReply: 1 << 14,
  noRcptReply: 1 << 15,
  noDataReply: 1 << 16,
  noUnknownReply: 1 << 17,
  noHeaderEndReply: 1 << 18,
  noBodyReply: 1 << 19,
  /** Values of header fields keep the blank behind the colon. */
  leadingSpace: 1 << 20,
} as const;

/** What a filter may ask for at the end of a message, and whether it names macros (SMFIF_). */
export const ACTIONS = {
  addHeaders: 1 << 0,
  changeBody: 1 << 1,
  addRecipients: 1 << 2,
  deleteRecipients: 1 << 3,
  changeHeaders: 1 << 4,
  quarantine: 1 << 5,
  changeSender: 1 << 6,
  addRecipientsWith: 1 << 7,
  nameMacros: 1 << 8,
} as const;

/** All that we can do. */
export const ALL_ACTIONS = Object.values(ACTIONS).reduce((all, bit) => all | bit, 0);

/** Body goes out in pieces of so many bytes (MILTER_CHUNK_SIZE). */
export const BODY_CHUNK = 65_535;
