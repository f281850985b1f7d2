import { isLost, type Lost, type Session } from "../../delivery/smtp/client_session.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";

/** How one side talks: what is said and heard is shown where it is wanted. */
export interface Dialogue {
  readonly session: Session;
  readonly say: (text: string) => void;
  /** Milliseconds. */
  readonly greetingTimeout: number;
  readonly commandTimeout: number;
  readonly hello: "EHLO" | "LHLO";
  readonly ownName: string;
  /** Not -c. */
  readonly chat: boolean;
}

/** What a server can do, by its answer to EHLO. */
export interface Greeted {
  /** The name that it gave itself. */
  readonly name: string;
  readonly offersStartTls: boolean;
}

const words: Readonly<Record<Lost, string>> = {
  lost: "lost connection",
  timeout: "timeout",
  aborted: "lost connection",
};

/** Waits for a reply and shows it; a text says how the conversation ended. */
async function hear(
  { session, say, chat }: Dialogue,
  timeout: number,
  shown: boolean,
): Promise<ServerReply | string> {
  const reply = await session.reply(timeout);
  if (isLost(reply)) return words[reply];
  if (chat && shown) { for (const line of reply.lines) say(`< ${line}`); }
  return reply;
}

async function command(dialogue: Dialogue, text: string, shown: boolean): Promise<ServerReply | string> {
  if (dialogue.chat && shown) dialogue.say(`> ${text}`);
  await dialogue.session.write(`${text}\r\n`);
  return await hear(dialogue, dialogue.commandTimeout, shown);
}

const isPositive = ({ code }: ServerReply) => code >= 200 && code < 300;

/** Code and text without the code in each line, as the tool has always told it. */
function told({ code, lines }: ServerReply): string {
  return `${code} ${lines.map((line) => line.replace(/^\d{3}[ -]?\s*/, "")).join("\n")}`;
}

/** Waits until the server says who it is; false when it does not want us. */
export async function greeting(dialogue: Dialogue): Promise<boolean> {
  const reply = await hear(dialogue, dialogue.greetingTimeout, true);
  if (typeof reply === "string") dialogue.say(`${reply} while reading server greeting`);
  else if (!isPositive(reply)) dialogue.say(`SMTP service not available: ${told(reply)}`);
  else return true;
  return false;
}

/** Says hello; undefined when that was not liked. */
export async function sayHelloAs(dialogue: Dialogue, shown: boolean): Promise<Greeted | undefined> {
  const { hello, ownName, say } = dialogue;
  const reply = await command(dialogue, `${hello} ${ownName}`, shown);
  if (typeof reply === "string") say(`${reply} while sending ${hello}`);
  else if (!isPositive(reply)) say(`${hello} rejected: ${told(reply)}`);
  else {
    const first = reply.lines.map((line) => line.slice(4).trim().split(/[ \t=]/)[0]!);
    return { name: first[0]!, offersStartTls: first.some((word) => word.toUpperCase() === "STARTTLS") };
  }
  return undefined;
}

/** Asks for TLS; false when that was refused. */
export async function askForTls(dialogue: Dialogue, shown: boolean): Promise<boolean> {
  const reply = await command(dialogue, "STARTTLS", shown);
  if (typeof reply === "string") dialogue.say(`${reply} while sending STARTTLS`);
  else if (!isPositive(reply)) dialogue.say(`STARTTLS rejected: ${told(reply)}`);
  else return true;
  return false;
}

/** Takes leave. */
export async function sayQuit(dialogue: Dialogue, warn: (text: string) => void): Promise<void> {
  const reply = await command(dialogue, "QUIT", true);
  if (typeof reply === "string") warn(`${reply} while sending QUIT command`);
}
