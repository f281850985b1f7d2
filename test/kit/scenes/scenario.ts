// The founding scenario: the tutorial's files and its session, for our server and for the real one.
import { connect } from "node:net";

/** The tutorial's main.cf; the tables stand in the configuration directory. */
export const SCENARIO_MAIN_CF: Readonly<Record<string, string>> = {
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "$mydomain",
  mydestination: "$mydomain",
  inet_interfaces: "all",
  mynetworks: "127.0.0.1 10.0.0.2/32 10.0.0.4/32",
  relay_domains: "$mydomain",
  smtpd_sender_restrictions:
    "permit_mynetworks, check_sender_access hash:$config_directory/sender_access, permit",
  smtpd_recipient_restrictions:
    "permit_mynetworks, check_recipient_access hash:$config_directory/recipient_access, reject",
};

/** The tables, before `postmap` makes their indexes. */
export const SCENARIO_FILES: Readonly<Record<string, string>> = {
  sender_access: "@monitor.stm.com OK\n* REJECT\n",
  recipient_access: "@smalltreemedia.com OK\n*@smalltreemedia.com OK\nwebmaster@example.com OK\n",
};

/** What the client types and what comes back; a client outside mynetworks. `*` stands for any text. */
const SESSION: readonly (readonly [typed: string, reply: string])[] = [
  ["helo localhost", "250 mail.example.com"],
  ["mail from:test@gmail.com", "250 2.1.0 Ok"],
  ["rcpt to:webmaster@example.com", "250 2.1.5 Ok"],
  ["data", "354 End data with <CR><LF>.<CR><LF>"],
  ["hello!!!!!!\r\n.", "250 2.0.0 Ok: queued as *"],
  ["mail from:test@gmail.com", "250 2.1.0 Ok"],
  ["rcpt to:haha@example.com", "554 5.7.1 <haha@example.com>: Recipient address rejected: Access denied"],
  ["rcpt to:x@smalltreemedia.com", "454 4.7.1 <x@smalltreemedia.com>: Relay access denied"],
  ["quit", "221 2.0.0 Bye"],
];

/** Types the lines one by one, as a person with telnet would, and answers with the replies. */
export function typed(port: number, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").setEncoding("latin1");
    const replies: string[] = [];
    let text = "";
    socket.setTimeout(60_000, () => socket.destroy(new Error(`no reply after ${replies.join(" | ")}`)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const ends = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n$/.test(text);
      if (!ends) return;
      replies.push(text.trimEnd());
      text = "";
      const next = lines[replies.length - 1];
      if (next !== undefined) socket.write(`${next}\r\n`);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(replies));
  });
}

/** Holds the tutorial's session against a server that lets 127.0.0.1 speak for others by XCLIENT. Answers with the differences. */
export async function playScenario(port: number, greeting: string): Promise<string[]> {
  const outside = "XCLIENT NAME=client.example.org ADDR=192.0.2.7";
  const [, ...replies] = await typed(port, ["EHLO me", outside, ...SESSION.map(([line]) => line)]);
  const wanted = [greeting, ...SESSION.map(([, reply]) => reply)];
  return wanted.flatMap((pattern, at) => {
    const got = replies[at + 1] ?? "nothing";
    const same = pattern.endsWith("*") ? got.startsWith(pattern.slice(0, -1)) : got === pattern;
    return same ? [] : [`wanted "${pattern}", got "${got}"`];
  });
}
