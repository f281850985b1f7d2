import { decodeBase64 } from "../../base/base64.ts";
import type { AuthSession, MechanismProperty, OfferedMechanism } from "../auth_backend.ts";

/** What Dovecot answers to a request (Dovecot's Authentication Protocol v1.2). */
export type ServerReply =
  | { readonly is: "continue"; readonly challenge: Buffer | undefined }
  | { readonly is: "ok" | "fail"; readonly fields: ReadonlyMap<string, string> };

/** A line of Dovecot's. */
export type ServerLine =
  | { readonly is: "version"; readonly major: number }
  | { readonly is: "mechanism"; readonly mechanism: OfferedMechanism }
  /** Whoever sends this without mechanisms before it is no auth-client socket. */
  | { readonly is: "serverId" }
  | { readonly is: "done" }
  | { readonly is: "reply"; readonly id: number; readonly reply: ServerReply }
  | { readonly is: "other" };

/** The major version that both sides must have. */
export const MAJOR = 1;

const OTHER: ServerLine = { is: "other" };

const PROPERTIES: Readonly<Record<string, MechanismProperty>> = {
  plaintext: "plaintext",
  active: "active",
  dictionary: "dictionary",
  anonymous: "anonymous",
  "forward-secrecy": "forward_secrecy",
  "mutual-auth": "mutual_auth",
};

const ESCAPES: Readonly<Record<string, string>> = { "0": "\0", "1": "\x01", t: "\t", n: "\n", r: "\r" };
const ESCAPE_OF = new Map(Object.entries(ESCAPES).map(([letter, char]) => [char, `\x01${letter}`]));

/** A value as it may stand between tabs. */
export function escapeValue(text: string): string {
  return text.replace(/[\0\x01\t\n\r]/g, (char) => ESCAPE_OF.get(char)!);
}

function unescapeValue(text: string): string {
  return text.replace(/\x01(.)/g, (all, letter: string) => ESCAPES[letter] ?? all);
}

function mechanismOf([name = "", ...properties]: readonly string[]): ServerLine {
  const lower = properties.map((each) => each.toLowerCase());
  if (name === "" || lower.includes("private")) return OTHER;
  const known = lower.map((each) => PROPERTIES[each]).filter((each) => each !== undefined);
  return { is: "mechanism", mechanism: { name: name.toUpperCase(), properties: known } };
}

function fieldsOf(words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(words.map((word) => {
    const equals = word.indexOf("=");
    return equals < 0 ? [word, ""] : [word.slice(0, equals), unescapeValue(word.slice(equals + 1))];
  }));
}

function replyOf(verb: string, [id = "", ...rest]: readonly string[]): ServerLine {
  if (!/^\d{1,10}$/.test(id)) return OTHER;
  const reply: ServerReply = verb === "CONT"
    ? { is: "continue", challenge: rest[0] === undefined ? undefined : decodeBase64(rest[0]) }
    : { is: verb === "OK" ? "ok" : "fail", fields: fieldsOf(rest) };
  return { is: "reply", id: Number(id), reply };
}

/** Reads a line of Dovecot's, without its end. What we do not know is passed over, as the protocol wants it. */
export function readServerLine(line: string): ServerLine {
  const [verb = "", ...words] = line.split("\t");
  switch (verb) {
    case "VERSION":
      return { is: "version", major: Number(words[0]) };
    case "MECH":
      return mechanismOf(words);
    case "SPID":
      return { is: "serverId" };
    case "DONE":
      return { is: "done" };
    case "OK":
    case "FAIL":
    case "CONT":
      return replyOf(verb, words);
    default:
      return OTHER;
  }
}

/** What a client says first. The number has to differ from that of every other client of the socket. */
export function printHandshake(client: number): string {
  return `VERSION\t${MAJOR}\t0\nCPID\t${client}\n`;
}

// An empty response that is there, as the client of SMTP says it: Dovecot takes `resp=` alone for none.
const printResponse = (response: Buffer) => response.length === 0 ? "=" : response.toString("base64");

/** Begins an exchange, in Postfix's words. `nologin`: nobody will ask Dovecot for the user's mailbox. */
export function printAuth(
  id: number,
  mechanism: string,
  { service, server, client, tls }: AuthSession,
  response: Buffer | undefined,
): string {
  const words = [
    "AUTH",
    String(id),
    escapeValue(mechanism),
    `service=${escapeValue(service)}`,
    "nologin",
    `lip=${escapeValue(server.address)}`,
    `rip=${escapeValue(client.address)}`,
  ];
  if (tls !== undefined) words.push("secured");
  // Must be the last one.
  if (response !== undefined) words.push(`resp=${printResponse(response)}`);
  return `${words.join("\t")}\n`;
}

/** The response to a challenge. */
export function printContinue(id: number, response: Buffer): string {
  return `CONT\t${id}\t${response.toString("base64")}\n`;
}

/** Nobody waits for the answer any more. */
export function printCancel(id: number): string {
  return `CANCEL\t${id}\n`;
}
