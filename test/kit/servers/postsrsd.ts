// postsrsd(8), asked as Postfix asks it: a TCP table each way (tcp_table(5)).
import { connect } from "node:net";
import { freePort } from "../server.ts";
import { endOf } from "./ending.ts";
import { reachable } from "./reachable.ts";
import { spawnTied } from "./tied_child.ts";

/** A running postsrsd. */
export interface Postsrsd {
  /** The sender under which it would have a message forwarded; undefined when it says no. */
  forward(sender: string): Promise<string | undefined>;
  /** Whom an address that came back is for; undefined when it says no. */
  reverse(recipient: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** Starts it for a domain, with a file of secrets and perhaps more arguments. */
export async function startPostsrsd(
  domain: string,
  secretFile: string,
  ...more: readonly string[]
): Promise<Postsrsd> {
  const [forward, reverse] = [await freePort(), await freePort()];
  const child = spawnTied("/usr/sbin/postsrsd", [
    ...["-4", "-l127.0.0.1", `-d${domain}`, `-s${secretFile}`, `-f${forward}`, `-r${reverse}`],
    ...more,
  ], { stdio: "ignore" });
  await Promise.all([reachable(forward), reachable(reverse)]);
  return {
    forward: (sender) => ask(forward, sender),
    reverse: (recipient) => ask(reverse, recipient),
    stop: async () => void await endOf(child),
  };
}

/** Blanks, `%` and what is not printable travel as `%XX`. */
const encoded = (text: string) =>
  [...Buffer.from(text)].map((byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, "0")}`
  ).join("");

function ask(port: number, key: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      text += chunk;
      if (!text.includes("\n")) return;
      socket.destroy();
      const [, code, value = ""] = /^(\d{3}) (.*)\n/.exec(text) ?? [];
      resolve(code === "200" ? decodeURIComponent(value) : undefined);
    });
    socket.write(`get ${encoded(key)}\n`);
  });
}
