// Limits of clients (smtpd_client_*_limit) through the compiled binary with several workers: they hold exactly, whichever workers
// the connections land on; and beside the real Postfix, whose replies and log lines are the same.
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import net from "node:net";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";
import { pause, until } from "../../kit/waiting.ts";

const { afterAll, afterEach, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");
const beside = withPeers(import.meta.path, "dist/mta", "postfix", "root");

interface Caller {
  /** Sends a line, if there is one, and answers the next reply; "" when the server has closed. */
  ask(line?: string): Promise<string>;
  close(): void;
  readonly closed: boolean;
}

const callers = new Set<Caller>();

/** A connection from an address of the loopback network. */
function call(port: number, localAddress: string): Caller {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress });
  const waiting: ((reply: string) => void)[] = [];
  const replies: string[] = [];
  let [text, closed] = ["", false];
  socket.on("data", (chunk) => {
    text += chunk;
    for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
      if (text[3] === " ") replies.push(text.slice(0, end));
      text = text.slice(end + 2);
    }
    while (waiting.length > 0 && replies.length > 0) waiting.shift()!(replies.shift()!);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
    for (const tell of waiting.splice(0)) tell("");
  });
  const caller: Caller = {
    ask(line) {
      if (line !== undefined && !closed) socket.write(`${line}\r\n`);
      const ready = replies.shift();
      if (ready !== undefined || closed) return Promise.resolve(ready ?? "");
      return new Promise((resolve) => void waiting.push(resolve));
    },
    close: () => void socket.destroy(),
    get closed() {
      return closed;
    },
  };
  callers.add(caller);
  return caller;
}

afterEach(() => {
  for (const caller of callers) caller.close();
  callers.clear();
});

const times = (count: number) => Array.from({ length: count }, (_, at) => at);

describe("with three workers", () => {
  let server: Server;
  const ports: Record<string, number> = {};

  beforeAll(async () => {
    for (const name of ["count", "rate", "mail", "recipient"]) ports[name] = await freePort();
    const service = (name: string, limit: string) =>
      `127.0.0.1:${ports[name]} inet n - n - - smtpd -o smtpd_client_${limit}`;
    server = await startServer({
      mainCf: [
        "mydestination = example.com",
        "local_recipient_maps =",
        "mynetworks =",
        "smtpd_relay_restrictions = reject_unauth_destination",
        "worker_processes = 3",
        "smtpd_peername_lookup = no",
        "anvil_status_update_time = 1s",
      ],
      masterCf: [
        service("count", "connection_count_limit=3"),
        service("rate", "connection_rate_limit=10 -o smtpd_client_connection_count_limit=0"),
        service("mail", "message_rate_limit=5"),
        service("recipient", "recipient_rate_limit=7"),
      ],
    });
  }, 180_000);
  afterAll(() => server?.stop());

  test("of twenty connections at a time exactly as many are let in as the limit says", async () => {
    const greetings = await Promise.all(times(20).map(() => call(ports.count!, "127.0.0.21").ask()));
    expect(greetings.filter((reply) => reply.startsWith("220 ")).length).toBe(3);
    expect(new Set(greetings.filter((reply) => !reply.startsWith("220 ")))).toEqual(
      new Set(["421 4.7.0 mail.example.com Error: too many connections from 127.0.0.21"]),
    );
    await server.logged(
      /postfix\/smtpd\[\d+\]: warning: Connection concurrency limit exceeded: \d+ from unknown\[127\.0\.0\.21\] for service 127\.0\.0\.1:\d+$/,
    );
    expect(await call(ports.count!, "127.0.0.22").ask()).toStartWith("220 ");
  });

  test("a place is free again when a connection ends", async () => {
    const open = times(3).map(() => call(ports.count!, "127.0.0.23"));
    for (const each of open) expect(await each.ask()).toStartWith("220 ");
    expect(await call(ports.count!, "127.0.0.23").ask()).toStartWith("421 ");
    expect(await open[1]!.ask("QUIT")).toStartWith("221 ");
    await server.logged(/disconnect from unknown\[127\.0\.0\.23\] quit=1/);
    expect(await call(ports.count!, "127.0.0.23").ask()).toStartWith("220 ");
    expect(await call(ports.count!, "127.0.0.23").ask()).toStartWith("421 ");
  });

  test("a worker that is killed takes its connections out of the account, and no others", async () => {
    const open = times(3).map(() => call(ports.count!, "127.0.0.24"));
    for (const each of open) expect(await each.ask()).toStartWith("220 ");
    const { workers } = JSON.parse((await server.mta("status", "--json")).stdout);
    for (const { pid } of workers) {
      process.kill(pid, "SIGKILL");
      // The kernel has closed what a process had before it counts as ended; the closes come with the next turn of this loop.
      await until("the worker has ended", () => !existsSync(`/proc/${pid}/fd/0`));
      await pause(20);
      if (open.some(({ closed }) => closed)) break;
    }
    const freed = open.filter(({ closed }) => closed).length;
    expect(freed).toBeGreaterThan(0);
    const again = await Promise.all(times(9).map(() => call(ports.count!, "127.0.0.24").ask()));
    expect(again.filter((reply) => reply.startsWith("220 ")).length).toBe(freed);
  }, 180_000);

  test("the rate of connections holds over all workers", async () => {
    const greetings: string[] = [];
    for (const _ of times(30)) {
      const caller = call(ports.rate!, "127.0.0.25");
      greetings.push((await caller.ask()).slice(0, 3));
      caller.close();
    }
    expect(greetings.join(" ")).toBe(
      [...times(10).map(() => "220"), ...times(20).map(() => "421")].join(" "),
    );
  });

  test("so do the rates of messages and recipients, from many sessions at once", async () => {
    const send = async (port: number, lines: readonly string[]) => {
      const caller = call(port, "127.0.0.26");
      const replies = [await caller.ask()];
      for (const line of lines) replies.push(await caller.ask(line));
      return replies;
    };
    const mail = "MAIL FROM:<ann@example.org>";
    const mails = await Promise.all(times(8).map(() => send(ports.mail!, ["HELO x", mail, "RSET", mail])));
    const said = mails.flat();
    expect(said.filter((reply) => reply === "250 2.1.0 Ok").length).toBe(5);
    expect(said.filter((reply) => reply === "450 4.7.1 Error: too much mail from 127.0.0.26").length).toBe(
      11,
    );
    const rcpt = "RCPT TO:<bob@example.com>";
    const recipients = await Promise.all(
      times(6).map(() => send(ports.recipient!, ["HELO x", mail, rcpt, rcpt, rcpt])),
    );
    const heard = recipients.flat();
    expect(heard.filter((reply) => reply === "250 2.1.5 Ok").length).toBe(7);
    expect(
      heard.filter((reply) => reply === "450 4.7.1 Error: too many recipients from 127.0.0.26").length,
    ).toBe(11);
  });

  test("master writes the statistics, once for all workers", async () => {
    const line = (what: string) => new RegExp(`postfix/anvil\\[${server.pid}\\]: statistics: max ${what}`);
    await server.logged(line("connection rate 30/60s for \\(127\\.0\\.0\\.1:\\d+:127\\.0\\.0\\.25\\) at "));
    await server.logged(line("connection count \\d+ for "));
    await server.logged(line("message rate 16/60s for "));
    await server.logged(line("recipient rate 18/60s for "));
    await server.logged(line("cache size \\d+ at \\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d$"));
    expect(server.log().match(/recipient rate 18\/60s/g)).toHaveLength(1);
  });
});

/** Lines of smtpd and anvil, without times, process ids and the ports that differ. */
function essence(log: string, ports: readonly number[]): string[] {
  const lines = log.split("\n").flatMap((line) => {
    const match = /postfix\/(smtpd|anvil)\[\d+\]: (.*)$/.exec(line);
    return match === null ? [] : [`${match[1]}: ${match[2]}`];
  });
  return ports.reduce(
    (all, port, at) => all.map((line) => line.replaceAll(String(port), `P${at}`)),
    lines.map((line) =>
      line.replace(/ at \w{3} [ \d]\d \d\d:\d\d:\d\d$/, " at TIME").replace(/: [0-9A-F]{6,}:/, ": ID:")
    ),
  );
}

beside.describe("beside the real Postfix", () => {
  test("replies, warnings and statistics are the same", async () => {
    const services = (ports: readonly number[]) =>
      [
        "connection_count_limit=1",
        "connection_rate_limit=2",
        "message_rate_limit=1 -o smtpd_client_recipient_rate_limit=2 -o smtpd_client_port_logging=no",
      ].map((limit, at) => `127.0.0.1:${ports[at]} inet n - n - - smtpd -o smtpd_client_${limit}`);
    const settings = {
      mynetworks: "",
      smtpd_peername_lookup: "no",
      mydestination: "example.com",
      local_recipient_maps: "",
      smtpd_relay_restrictions: "reject_unauth_destination",
      anvil_status_update_time: "3s",
    };
    const play = async (ports: readonly number[], log: () => string) => {
      const ended = (count: number) =>
        until(
          `${count} sessions have ended`,
          () => (log().match(/: disconnect from /g)?.length ?? 0) >= count,
        );
      const replies: string[] = [];
      const say = async (caller: Caller, ...lines: string[]) => {
        replies.push(await caller.ask());
        for (const line of lines) replies.push(await caller.ask(line));
      };
      const first = call(ports[0]!, "127.0.0.1");
      await say(first);
      for (const _ of times(2)) {
        const next = call(ports[0]!, "127.0.0.1");
        await say(next);
        await until("it is closed", () => next.closed);
      }
      await ended(2);
      replies.push(await first.ask("QUIT"));
      await ended(3);
      for (const count of [4, 5, 6]) {
        await say(call(ports[1]!, "127.0.0.1"), "QUIT");
        await ended(count);
      }
      await say(
        call(ports[2]!, "127.0.0.1"),
        ...["HELO x", "MAIL FROM:<a@b.example>", "RCPT TO:<x@example.com>", "RCPT TO:<y@else.example>"],
        ...["RCPT TO:<z@example.com>", "RSET", "MAIL FROM:<a@b.example>", "QUIT"],
      );
      return replies.map((reply) => reply.replace(/ESMTP \w+$/, "ESMTP"));
    };
    const [ours, real] = [[], []] as [number[], number[]];
    for (const _ of times(3)) ours.push(await freePort()), real.push(await freePort());
    const postfix = await startPostfix({ main: settings, master: services(real).join("\n") });
    const server = await startServer({
      mainCf: [
        ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
        "worker_processes = 2",
      ],
      masterCf: services(ours),
      smtpdOptions: ["smtpd_client_connection_count_limit=0"],
    });
    try {
      await server.logged(/disconnect from/); // the kit's own look at the banner
      const before = server.log().length;
      const [said, heard] = await Promise.all([
        play(ours, () => server.log().slice(before)),
        play(real, () => postfix.log()),
      ]);
      expect(said).toEqual(heard);
      await server.logged(/statistics: max cache size/);
      const log = await postfix.waitForLog(/statistics: max cache size/);
      const lines = essence(log, real);
      expect(essence(server.log().slice(before), ours)).toEqual(lines);
      expect(lines.filter((line) => line.includes("limit exceeded")).length).toBe(5);
    } finally {
      await postfix.stop();
      await server.stop();
    }
  }, 180_000);
});
