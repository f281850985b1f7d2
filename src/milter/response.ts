import { printPacket, printTextPacket } from "./command.ts";
import type { Packet } from "./packet_reader.ts";
import { responseName, RESPONSES } from "./protocol.ts";

/** Responses that say nothing more. */
type Bare =
  | "continue"
  | "accept"
  | "reject"
  | "tempfail"
  | "discard"
  | "shutdown"
  | "skip"
  | "progress";

/** What a filter answers, or asks to be done. Texts are one character a byte. */
export type Response =
  | { readonly is: Bare }
  /** An SMTP reply, its lines with CR LF between them; a reason. */
  | { readonly is: "replyCode" | "quarantine"; readonly text: string }
  | { readonly is: "addHeader"; readonly name: string; readonly value: string }
  | {
    readonly is: "insertHeader" | "changeHeader";
    readonly index: number;
    readonly name: string;
    readonly value: string;
  }
  /** `parameters` as after MAIL or RCPT, "" for none. */
  | {
    readonly is: "changeSender" | "addRecipientWith";
    readonly address: string;
    readonly parameters: string;
  }
  | { readonly is: "addRecipient" | "deleteRecipient"; readonly address: string }
  | { readonly is: "replaceBody"; readonly bytes: Buffer };

/** A packet that is no response: why, in Postfix's words. */
export interface Misread {
  readonly is: "misread";
  readonly why: string;
}

const misread = (why: string): Misread => ({ is: "misread", why });

const BARE: Readonly<Record<string, Bare>> = {
  [RESPONSES.continue]: "continue",
  [RESPONSES.accept]: "accept",
  [RESPONSES.reject]: "reject",
  [RESPONSES.tempfail]: "tempfail",
  [RESPONSES.discard]: "discard",
  [RESPONSES.shutdown]: "shutdown",
  [RESPONSES.skip]: "skip",
  [RESPONSES.progress]: "progress",
};

/** Responses that make changes: they count at the end of a message only. */
export const EDITS: ReadonlySet<string> = new Set([
  RESPONSES.addHeader,
  RESPONSES.insertHeader,
  RESPONSES.changeHeader,
  RESPONSES.changeSender,
  RESPONSES.addRecipient,
  RESPONSES.addRecipientWith,
  RESPONSES.deleteRecipient,
  RESPONSES.replaceBody,
]);

/** Whether a letter begins a response at all; which one it may be where depends on the command. */
export function isResponse(letter: string): boolean {
  return Object.hasOwn(BARE, letter) || EDITS.has(letter) || letter === RESPONSES.replyCode ||
    letter === RESPONSES.quarantine;
}

/** Takes the data of a packet apart, piece by piece. */
class Fields {
  #at = 0;
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  number(): number {
    if (this.left < 4) throw new Error("input packet too short for network long");
    this.#at += 4;
    return this.#data.readUInt32BE(this.#at - 4);
  }

  text(): string {
    if (this.left < 1) throw new Error("packet too short for string");
    const end = this.#data.indexOf(0, this.#at);
    if (end < 0) throw new Error("missing string null termimator");
    const text = this.#data.toString("latin1", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** Nothing may be left. */
  done<T>(made: T): T {
    if (this.left > 0) throw new Error(`left-over data ${this.left} bytes`);
    return made;
  }
}

/** Reads a response whose letter `isResponse` knows. */
export function parseResponse({ letter, data }: Packet): Response | Misread {
  const bare = BARE[letter];
  if (bare !== undefined) {
    if (data.length === 0) return { is: bare };
    return misread(`reply ${responseName(letter)} was followed by ${data.length} data bytes`);
  }
  try {
    return parseFields(letter, data);
  } catch (error) {
    return misread((error as Error).message);
  }
}

/** A text that may have its NUL or not. */
const untilNul = (data: Buffer) => {
  const nul = data.indexOf(0);
  return data.toString("latin1", 0, nul < 0 ? data.length : nul);
};

function parseFields(letter: string, data: Buffer): Response | Misread {
  const fields = new Fields(data);
  switch (letter) {
    case RESPONSES.replyCode:
      return { is: "replyCode", text: untilNul(data) };
    case RESPONSES.quarantine:
      return { is: "quarantine", text: untilNul(data) };
    case RESPONSES.replaceBody:
      return { is: "replaceBody", bytes: data };
    case RESPONSES.addHeader:
      return fields.done({ is: "addHeader", name: fields.text(), value: fields.text() });
    case RESPONSES.insertHeader:
      return fields.done(indexed("insertHeader", fields));
    case RESPONSES.changeHeader:
      return fields.done(indexed("changeHeader", fields));
    case RESPONSES.addRecipient:
      return fields.done({ is: "addRecipient", address: fields.text() });
    case RESPONSES.deleteRecipient:
      return fields.done({ is: "deleteRecipient", address: fields.text() });
    case RESPONSES.changeSender:
      return fields.done(withParameters("changeSender", fields));
    case RESPONSES.addRecipientWith:
      return fields.done(withParameters("addRecipientWith", fields));
    default:
      return misread(`unexpected filter response ${responseName(letter)}`);
  }
}

function indexed(is: "insertHeader" | "changeHeader", fields: Fields): Response {
  return { is, index: fields.number(), name: fields.text(), value: fields.text() };
}

function withParameters(is: "changeSender" | "addRecipientWith", fields: Fields): Response {
  return { is, address: fields.text(), parameters: fields.left > 0 ? fields.text() : "" };
}

/** The packet of a response, as a filter sends it. */
export function printResponse(response: Response): Buffer {
  const letter = RESPONSES[response.is];
  switch (response.is) {
    case "replyCode":
    case "quarantine":
      return printTextPacket(letter, `${response.text}\0`);
    case "addHeader":
      return printTextPacket(letter, `${response.name}\0${response.value}\0`);
    case "insertHeader":
    case "changeHeader": {
      const index = Buffer.alloc(4);
      index.writeUInt32BE(response.index >>> 0);
      return printTextPacket(letter, `${index.toString("latin1")}${response.name}\0${response.value}\0`);
    }
    case "changeSender":
    case "addRecipientWith":
      return printTextPacket(
        letter,
        `${response.address}\0${response.parameters === "" ? "" : `${response.parameters}\0`}`,
      );
    case "addRecipient":
    case "deleteRecipient":
      return printTextPacket(letter, `${response.address}\0`);
    case "replaceBody":
      return printPacket(letter, response.bytes);
    default:
      return printTextPacket(letter, "");
  }
}
