// A transcript's line to an smtpd in memory, with a fake clock.
import { settle } from "./fake_clock.ts";
import { memorySmtpd } from "./memory_smtpd.ts";
import { until } from "../waiting.ts";
import type { Line, Transcript } from "../scenes/transcript.ts";

/** Opens the line for a transcript. */
export async function memoryLine(transcript: Transcript): Promise<Line> {
  const { client, main } = transcript;
  const named = client === undefined || client.name === "unknown" ? undefined : client.name;
  const house = memorySmtpd({
    smtpd_error_sleep_time: "0",
    ...main,
    ...(named && { smtpd_peername_lookup: "yes" }),
  }, {
    clientName: named === undefined
      ? undefined
      : { name: named, reverseName: named, nameStatus: 2, reverseNameStatus: 2 },
  });
  const connection = house.connect(client?.address);
  let received = "";
  const pull = async () => {
    await settle();
    received += connection.read();
  };
  const asksMilters = Object.keys(main).some((name) => name.startsWith("smtpd_milter"));
  const isThere = async () => {
    await pull();
    return received.includes("\r\n") || connection.closed;
  };
  return {
    async send(bytes) {
      connection.send(Buffer.from(bytes, "latin1"));
      await pull();
    },
    async receive() {
      await pull();
      // What is asked over a real socket takes its time.
      if (asksMilters) await until("a reply, or the end", isThere);
      const end = received.indexOf("\r\n");
      if (end < 0) return undefined;
      const line = received.slice(0, end);
      received = received.slice(end + 2);
      return line;
    },
    isClosed: () => Promise.resolve(connection.closed),
    async end() {
      connection.end();
      await pull();
    },
    async wait(seconds) {
      await house.clock.advance(seconds * 1000);
      if (connection.idleLimit > 0 && seconds * 1000 >= connection.idleLimit) connection.handler.timeout();
      await pull();
    },
    async finish() {
      if (!connection.closed) connection.end();
      await settle();
      connection.handler.close(undefined);
      return house.log.lines.map((line) => line.replace(/^[a-z-]+: /, ""));
    },
  };
}
