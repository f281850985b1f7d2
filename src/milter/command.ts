import { COMMANDS } from "./protocol.ts";

/** Where a client connects from: its kind of address and, where there is one, port and address. */
export type Peer =
  | { readonly family: "4" | "6" | "L"; readonly port: number; readonly address: string }
  | { readonly family: "U" };

/** A command to a filter. Texts are one character a byte, and have no NUL. */
export type Command =
  | { readonly is: "negotiate"; readonly version: number; readonly actions: number; readonly events: number }
  /** Names and values by turns, for the command of that letter. */
  | { readonly is: "macro"; readonly command: string; readonly texts: readonly string[] }
  | { readonly is: "connect"; readonly host: string; readonly peer: Peer }
  | { readonly is: "helo" | "unknown"; readonly text: string }
  /** The address in angle brackets, and parameters as the client spells them. */
  | { readonly is: "mail" | "rcpt"; readonly words: readonly string[] }
  | { readonly is: "header"; readonly name: string; readonly value: string }
  | { readonly is: "body"; readonly bytes: Uint8Array }
  | { readonly is: "data" | "headerEnd" | "bodyEnd" | "abort" | "quit" };

/** A packet with its data given as bytes. */
export function printPacket(letter: string, data: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(5 + data.length);
  packet.writeUInt32BE(data.length + 1, 0);
  packet[4] = letter.charCodeAt(0);
  packet.set(data, 5);
  return packet;
}

/** A packet with its data given as text, one character a byte. */
export function printTextPacket(letter: string, data: string): Buffer {
  const packet = Buffer.allocUnsafe(5 + data.length);
  packet.writeUInt32BE(data.length + 1, 0);
  packet[4] = letter.charCodeAt(0);
  packet.write(data, 5, "latin1");
  return packet;
}

const strings = (texts: readonly string[]) => texts.length === 0 ? "" : `${texts.join("\0")}\0`;

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, at) => bytes.writeUInt32BE(value >>> 0, 4 * at));
  return bytes;
}

function printPeer(peer: Peer): string {
  if (peer.family === "U") return peer.family;
  return `${peer.family}${String.fromCharCode(peer.port >> 8, peer.port & 255)}${peer.address}\0`;
}

/** The packet of a command. */
export function printCommand(command: Command): Buffer {
  const letter = COMMANDS[command.is];
  switch (command.is) {
    case "negotiate":
      return printPacket(letter, numbers(command.version, command.actions, command.events));
    case "macro":
      return printTextPacket(letter, command.command + strings(command.texts));
    case "connect":
      return printTextPacket(letter, `${command.host}\0${printPeer(command.peer)}`);
    case "helo":
    case "unknown":
      return printTextPacket(letter, `${command.text}\0`);
    case "mail":
    case "rcpt":
      return printTextPacket(letter, strings(command.words));
    case "header":
      return printTextPacket(letter, `${command.name}\0${command.value}\0`);
    case "body":
      return printPacket(letter, command.bytes);
    default:
      return printTextPacket(letter, "");
  }
}

/** The texts of a row of them, each with its NUL; undefined when the last one has none. */
function textsIn(data: Buffer): readonly string[] | undefined {
  if (data.length === 0) return [];
  if (data[data.length - 1] !== 0) return undefined;
  return data.toString("latin1", 0, data.length - 1).split("\0");
}

const PLAIN = { T: "data", N: "headerEnd", E: "bodyEnd", A: "abort", Q: "quit" } as const;

/** Reads a command as a filter does; undefined when it is none. */
export function parseCommand(letter: string, data: Buffer): Command | undefined {
  if (letter === "T" || letter === "N" || letter === "E" || letter === "A" || letter === "Q") {
    return data.length === 0 ? { is: PLAIN[letter] } : undefined;
  }
  switch (letter) {
    case COMMANDS.negotiate:
      return parseNegotiate(data);
    case COMMANDS.macro:
      return parseMacro(data);
    case COMMANDS.connect:
      return parseConnect(data);
    case COMMANDS.body:
      return { is: "body", bytes: data };
    default:
      return parseTexts(letter, textsIn(data));
  }
}

function parseTexts(letter: string, texts: readonly string[] | undefined): Command | undefined {
  const [first, second] = texts ?? [];
  if (first === undefined || texts === undefined) return undefined;
  switch (letter) {
    case COMMANDS.helo:
      return texts.length === 1 ? { is: "helo", text: first } : undefined;
    case COMMANDS.unknown:
      return texts.length === 1 ? { is: "unknown", text: first } : undefined;
    case COMMANDS.mail:
      return { is: "mail", words: texts };
    case COMMANDS.rcpt:
      return { is: "rcpt", words: texts };
    case COMMANDS.header:
      return texts.length === 2 ? { is: "header", name: first, value: second! } : undefined;
    default:
      return undefined;
  }
}

function parseNegotiate(data: Buffer): Command | undefined {
  if (data.length !== 12) return undefined;
  return {
    is: "negotiate",
    version: data.readUInt32BE(0),
    actions: data.readUInt32BE(4),
    events: data.readUInt32BE(8),
  };
}

function parseMacro(data: Buffer): Command | undefined {
  const texts = textsIn(data.subarray(1));
  if (data.length === 0 || texts === undefined || texts.length % 2 !== 0) return undefined;
  return { is: "macro", command: String.fromCharCode(data[0]!), texts };
}

function parseConnect(data: Buffer): Command | undefined {
  const end = data.indexOf(0);
  if (end < 0) return undefined;
  const host = data.toString("latin1", 0, end);
  const family = String.fromCharCode(data[end + 1] ?? 0);
  const rest = data.subarray(end + 2);
  if (family === "U") return rest.length === 0 ? { is: "connect", host, peer: { family } } : undefined;
  if (family !== "4" && family !== "6" && family !== "L") return undefined;
  if (rest.length < 3 || rest.indexOf(0, 2) !== rest.length - 1) return undefined;
  const address = rest.toString("latin1", 2, rest.length - 1);
  return { is: "connect", host, peer: { family, port: rest.readUInt16BE(0), address } };
}
