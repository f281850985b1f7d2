// What clients cannot take from the rest of the house: descriptors, and slots at the process limit.
import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { type Server, type ServerOptions, startServer } from "../../kit/server.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { processorTime, until, untilNextTick } from "../../kit/waiting.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

const running: Server[] = [];
const others: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of others.splice(0)) await each.close();
  for (const each of running.splice(0)) await each.stop();
});

async function server(options: ServerOptions = {}): Promise<Server> {
  const each = await startServer(options);
  running.push(each);
  return each;
}

function workerOf({ pid }: Server): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
}

/** Connects without a word; what the server says first, or undefined when it says nothing and closes. */
function firstLine(port: number): Promise<{ readonly socket: Socket; readonly line: string | undefined }> {
  return new Promise((done) => {
    const socket = connect({ port, host: "127.0.0.1" });
    others.push({ close: () => socket.destroy() });
    let text = "";
    socket.on("error", () => {});
    socket.on("close", () => done({ socket, line: undefined }));
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) done({ socket, line: text.split("\r\n")[0] });
    });
  });
}

whole(
  "with few descriptors clients beyond their share hear 421, and mail is taken, stored and delivered as before",
  async () => {
    const peer = await startSmtpPeer();
    others.push(peer);
    const each = await server({
      mainCf: [
        `default_transport = smtp:[127.0.0.1]:${peer.port}`,
        "smtpd_client_connection_count_limit = 0",
      ],
      openFiles: 200,
    });
    const worker = workerOf(each);
    const clients = await Promise.all(Array.from({ length: 400 }, () => firstLine(each.port)));
    const greeted = clients.filter(({ line }) => line?.startsWith("220 "));
    expect(greeted.length).toBeGreaterThan(20);
    expect(clients.filter(({ line }) => line === "421 4.3.2 All server ports are busy").length)
      .toBeGreaterThan(0);
    expect(readdirSync(`/proc/${worker}/fd`).length).toBeLessThan(190);
    await each.logged(
      /smtpd\[\d+\]: NOQUEUE: reject: CONNECT from \[127\.0\.0\.1\]:\d+: all server ports busy/,
    );
    // Nobody spins, nobody waits for descriptors.
    const before = processorTime(worker);
    await untilNextTick(1000);
    expect(processorTime(worker) - before).toBeLessThan(0.3);
    // All that were let in send a message that needs a file of its own, at a time.
    const large = `Subject: x\r\n\r\n${`${"x".repeat(900)}\r\n`.repeat(400)}`;
    const answers = await Promise.all(greeted.map(({ socket }) => submit(socket, large)));
    expect(answers.filter((answer) => !answer.startsWith("250 2.0.0 Ok: queued as"))).toEqual([]);
    await until("all mails", () => peer.mails.length >= greeted.length);
    expect(peer.mails).toHaveLength(greeted.length);
    expect(each.log()).not.toMatch(/EMFILE|Too many open files/);
    for (const { socket } of clients) socket.destroy();
    const again = async () => {
      const { socket, line } = await firstLine(each.port);
      socket.destroy();
      return line;
    };
    await until("there is room again", async () => (await again())?.startsWith("220 ") === true);
    const after = await sendMessage(each.port, { from: "a@b.example", to: "x@elsewhere.example" });
    expect(after).toStartWith("250 ");
  },
  180_000,
);

whole(
  "at the process limit a newcomer does not wait for strangers that are idle beyond the stress limit",
  async () => {
    const each = await server({
      mainCf: [
        "default_process_limit = 20",
        "mynetworks =",
        "smtpd_client_connection_count_limit = 0",
        "smtpd_timeout = ${stress?{2}:{300}}s",
      ],
    });
    const idle = await Promise.all(Array.from({ length: 19 }, () => firstLine(each.port)));
    expect(idle.filter(({ line }) => line?.startsWith("220 "))).toHaveLength(19);
    const sending = await talk(each.port);
    const steps = ["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<postmaster@mail.example.com>", "DATA"];
    for (const step of steps) expect(await sending.say(step)).toMatch(/^[23]/);
    const newcomers = await Promise.all(Array.from({ length: 5 }, () => firstLine(each.port)));
    expect(newcomers.filter(({ line }) => line?.startsWith("220 "))).toHaveLength(5);
    // Without the stress limit the idle ones would stay for 300 seconds.
    await each.logged(/smtpd\[\d+\]: timeout after CONNECT from /);
    sending.end();
  },
  180_000,
);

/** Sends one message over a connection that has been greeted; answers the last reply. */
async function submit(socket: Socket, content: string): Promise<string> {
  let text = "";
  let wake = () => {};
  const take = (chunk: Buffer) => (text += chunk, wake());
  socket.on("data", take);
  const reply = async () => {
    for (let end = text.search(/^\d{3} .*\r\n/m);; end = text.search(/^\d{3} .*\r\n/m)) {
      if (end >= 0) {
        const line = text.slice(end).split("\r\n")[0]!;
        text = text.slice(end + line.length + 2);
        return line;
      }
      await new Promise<void>((next) => (wake = next, socket.once("close", () => next())));
      if (socket.destroyed) return "closed";
    }
  };
  let last = "";
  for (
    const line of [
      "EHLO x",
      "MAIL FROM:<a@b.example>",
      "RCPT TO:<x@elsewhere.example>",
      "DATA",
      `${content}.`,
    ]
  ) {
    socket.write(`${line}\r\n`);
    last = await reply();
  }
  return last;
}

whole("a worker that is stopped is told of, killed and replaced, and mail is taken again", async () => {
  const each = await server({ mainCf: ["worker_timeout = 3s", "worker_processes = 1"] });
  const worker = workerOf(each);
  process.kill(worker, "SIGSTOP");
  await each.logged(
    new RegExp(`master\\[\\d+\\]: warning: process mta: worker pid ${worker} has not answered for 1 s`),
  );
  await each.logged(/is killed and another one takes its place/);
  await each.logged(
    new RegExp(`worker pid ${worker} killed by signal 9|worker pid ${worker}.*(?:signal|SIGKILL)`),
  );
  await until("another worker", () => workerOf(each) !== worker && !Number.isNaN(workerOf(each)));
  const after = await sendMessage(each.port, { from: "a@b.example", to: "x@elsewhere.example" });
  expect(after).toStartWith("250 ");
}, 180_000);
