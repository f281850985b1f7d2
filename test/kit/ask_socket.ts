// One line to a unix socket or a port of 127.0.0.1, and all that comes back.
import { connect } from "node:net";

/** What comes back until the other side closes, or for so many milliseconds; `TIMEOUT` at its end tells of the latter. */
export function answerOf(to: string | number, line: string, patience = 60_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = typeof to === "number" ? connect(to, "127.0.0.1") : connect(to);
    let text = "";
    const timer = setTimeout(() => (socket.destroy(), resolve(`${text}TIMEOUT`)), patience);
    const done = (more: string) => (clearTimeout(timer), resolve(text + more));
    socket.on("data", (chunk) => text += chunk);
    socket.on("error", (error) => done((error as NodeJS.ErrnoException).code ?? error.message));
    socket.on("close", () => done(""));
    socket.write(`${line}\n`);
  });
}
