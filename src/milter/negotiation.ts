import { splitList } from "../config/syntax/list.ts";
import type { Packet } from "./packet_reader.ts";
import { ALL_ACTIONS, COMMANDS, EVENTS } from "./protocol.ts";

/** What we offer (milter_protocol): a version, and the events and ways to answer that it has. */
export interface Offer {
  readonly version: number;
  readonly events: number;
}

/** The stages that a filter may name macros for, in the order of their numbers (SMFIM_). */
export const MACRO_STAGES = [
  "connect",
  "helo",
  "mail",
  "rcpt",
  "data",
  "endOfMessage",
  "endOfHeader",
] as const;

/** A stage that macros are sent at. */
export type MacroStage = (typeof MACRO_STAGES)[number] | "unknown";

/** What a filter and we have agreed on. */
export interface Agreement {
  readonly version: number;
  /** What it does not want to hear, and how it answers (SMFIP_). */
  readonly events: number;
  /** Events that one of the two versions does not have: nothing of them is sent. */
  readonly missing: number;
  /** The macros that it wants in place of those of main.cf. */
  readonly macros: ReadonlyMap<MacroStage, string>;
  /** Numbers of stages that it named macros for and that there are not. */
  readonly unknownStages: readonly number[];
}

const SENDING = EVENTS.noConnect | EVENTS.noHelo | EVENTS.noMail | EVENTS.noRcpt | EVENTS.noBody |
  EVENTS.noHeaders | EVENTS.noHeaderEnd | EVENTS.noUnknown | EVENTS.noData;

const ANSWERING = EVENTS.noConnectReply | EVENTS.noHeloReply | EVENTS.noMailReply | EVENTS.noRcptReply |
  EVENTS.noDataReply | EVENTS.noUnknownReply | EVENTS.noHeaderReply | EVENTS.noHeaderEndReply |
  EVENTS.noBodyReply;

const VERSION_2 = SENDING & ~(EVENTS.noUnknown | EVENTS.noData);
const VERSION_3 = VERSION_2 | EVENTS.noUnknown;
const VERSION_4 = VERSION_3 | EVENTS.noData;
const VERSION_6 = VERSION_4 | EVENTS.skip | EVENTS.refusedRecipients | ANSWERING | EVENTS.leadingSpace;

/** The versions, newest first. */
const VERSIONS: readonly (readonly [version: number, events: number])[] = [
  [6, VERSION_6],
  [4, VERSION_4],
  [3, VERSION_3],
  [2, VERSION_2],
];

/** Reads milter_protocol: one version, and `no_header_reply`; else Postfix's complaint. */
export function readOffer(protocol: string): Offer | string {
  let [version, events] = [0, 0];
  for (const word of splitList(protocol)) {
    const known = VERSIONS.find(([number]) => `${number}` === word);
    if (word === "no_header_reply") events |= EVENTS.noHeaderReply;
    else if (known === undefined || version !== 0) return `bad protocol information: ${word}`;
    else {
      version = known[0];
      events |= known[1];
    }
  }
  return version === 0 ? "no protocol version information" : { version, events };
}

/** Reads a filter's answer to an offer; else why it will not do, in a line or two. */
export function agree({ letter, data }: Packet, offer: Offer): Agreement | string {
  if (letter !== COMMANDS.negotiate) return `unexpected reply "${letter}" in initial handshake`;
  if (data.length < 12) return "input packet too short for network long\nread error in initial handshake";
  const [version, actions, events] = [data.readUInt32BE(0), data.readUInt32BE(4), data.readUInt32BE(8)];
  if (version > offer.version) {
    return `protocol version ${version} conflict with MTA protocol version ${offer.version}`;
  }
  if ((actions & ~ALL_ACTIONS) !== 0) {
    const hex = (mask: number) => `0x${mask.toString(16)}`;
    return `request mask ${hex(actions)} conflict with MTA request mask ${hex(ALL_ACTIONS)}`;
  }
  const named = readMacroLists(data.subarray(12));
  if (typeof named === "string") return named;
  const theirs = VERSIONS.find(([number]) => number <= version)?.[1] ?? 0;
  return { version, events, missing: SENDING & ~(offer.events & theirs), ...named };
}

function readMacroLists(data: Buffer): Pick<Agreement, "macros" | "unknownStages"> | string {
  const macros = new Map<MacroStage, string>();
  const unknownStages: number[] = [];
  for (let at = 0; at < data.length;) {
    if (data.length - at < 5) return "input packet too short for network long";
    const end = data.indexOf(0, at + 4);
    if (end < 0) return "missing string null termimator";
    const number = data.readUInt32BE(at);
    const stage = MACRO_STAGES[number];
    if (stage === undefined) unknownStages.push(number);
    else macros.set(stage, data.toString("latin1", at + 4, end));
    at = end + 1;
  }
  return { macros, unknownStages };
}
