// Transcripts against a real server: one service of master.cf for each transcript, one line each over TCP.
import net from "node:net";
import { until } from "../waiting.ts";
import type { Line, Transcript } from "./transcript.ts";

/** The transcript's own syslog_name: its lines are found among those of others. */
const tagOf = (port: number) => `transcript${port}`;

/** `-o` lines for the transcript's service; the service is made of the usual smtpd and a cleanup of its own. */
export function masterLines(
  transcript: Transcript,
  port: number,
  base: Readonly<Record<string, string>>,
): string {
  const settings: Record<string, string> = {
    smtpd_error_sleep_time: "0",
    ...base,
    ...transcript.main,
    ...(transcript.client && { smtpd_authorized_xclient_hosts: "127.0.0.1" }),
    cleanup_service_name: `cleanup${port}`,
    syslog_name: tagOf(port),
  };
  const options = Object.entries(settings).map(([name, value]) => `\n  -o {${name}=${value}}`).join("");
  return `127.0.0.1:${port} inet n - n - - smtpd${options}\ncleanup${port} unix n - n - 0 cleanup${options}\n`;
}

// How long a server may think before its silence counts.
const TIME_LIMIT = 60_000;

/** Opens the line: connects, and becomes the transcript's client by XCLIENT. `log` answers the whole log so far. */
export async function liveLine(transcript: Transcript, port: number, log: () => string): Promise<Line> {
  const before = log().length;
  const socket = net.connect({ host: "127.0.0.1", port });
  let received = "";
  let closed = false;
  let wake = () => {};
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    wake();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
    wake();
  });
  socket.on("end", () => {
    closed = true;
    wake();
  });
  const change = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TIME_LIMIT);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const receive = async () => {
    const end = Date.now() + TIME_LIMIT;
    while (!received.includes("\r\n") && !closed && Date.now() < end) await change();
    const at = received.indexOf("\r\n");
    if (at < 0) return undefined;
    const line = received.slice(0, at);
    received = received.slice(at + 2);
    return Buffer.from(line, "latin1").toString("utf8");
  };
  if (transcript.client !== undefined) {
    await receive();
    const { name, address } = transcript.client;
    socket.write(`XCLIENT NAME=${name === "unknown" ? "[UNAVAILABLE]" : name} ADDR=${address}\r\n`);
  }
  return {
    send: (bytes) => Promise.resolve(void socket.write(Buffer.from(bytes, "latin1"))),
    receive,
    async isClosed() {
      if (!closed) await change();
      return closed;
    },
    end: () => Promise.resolve(void socket.end()),
    wait: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
    async finish(enough) {
      socket.end();
      const lines = () =>
        log().slice(before).split("\n").filter((line) => line.includes(`${tagOf(port)}/`))
          .map((line) => line.replace(/^.*?\[\d+\]: /, ""));
      // An smtpd that does not start says only why.
      const isOver = () => lines().some((line) => /: fatal: |^fatal: |disconnect from/.test(line));
      await until("the end of the session in the log", () => isOver() && enough(lines())).catch(() => {});
      socket.destroy();
      return lines();
    },
  };
}
