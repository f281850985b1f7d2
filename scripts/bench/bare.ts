// What the runtime alone reaches: a program that takes mail, makes it durable and sends it on, and does nothing else. No policy, no
// checks, no queue, no log, no errors. It is started like our binary, so that each workload also measures the floor:
//   node_modules/.bin/bun build --compile --bytecode --outfile dist/bare scripts/bench/bare.ts
//   MTA_BINARY=dist/bare bun scripts/bench/main.ts --rounds 3
// It reads the port from the first line of master.cf, the next hop from relayhost in main.cf (without one mail is kept), and
// worker_processes: further processes with files of their own, on the same port.
import { fdatasync, mkdirSync, openSync, readFileSync, writevSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

if (!process.argv.includes("serve")) process.exit(0); // what is asked of other commands is not measured
const config = process.argv[process.argv.indexOf("-c") + 1]!;
const main = readFileSync(join(config, "main.cf"), "latin1");
const [, port] = /:(\d+) inet/.exec(readFileSync(join(config, "master.cf"), "latin1"))!;
const nextHop = /^relayhost = \[127\.0\.0\.1\]:(\d+)/m.exec(main)?.[1];
const [, queue] = /^queue_directory = (.*)$/m.exec(main)!;
mkdirSync(queue!, { recursive: true });
const file = openSync(join(queue!, `bare-${process.pid}.log`), "w");

/** Set in processes that another one has started. */
const FURTHER = "MTA_BARE_FURTHER";
const workers = process.env[FURTHER] === undefined ? /^worker_processes = (\d+)/m.exec(main)?.[1] : undefined;
const further = Array.from(
  { length: Number(workers ?? 1) - 1 },
  () => Bun.spawn([process.execPath, "-c", config, "serve"], { env: { ...process.env, [FURTHER]: "1" } }),
);

/** The file begins again after so many bytes. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_CONNECTIONS = 20;
const RECIPIENTS_TOGETHER = 50;

interface Message {
  /** With the end of data, as it came. */
  readonly pieces: readonly Buffer[];
  readonly recipients: number;
  readonly from: Socket;
}

let position = 0;
let waiting: Message[] = [];
let isSyncing = false;

/** Writes all that waits, syncs once, answers all; meanwhile the next ones gather. */
function commit(): void {
  if (isSyncing || waiting.length === 0) return;
  isSyncing = true;
  const batch = waiting;
  waiting = [];
  if (position > MOST_BYTES) position = 0;
  for (const { pieces } of batch) position += writevSync(file, pieces as Buffer[], position);
  fdatasync(file, () => {
    for (const message of batch) {
      message.from.write("250 2.0.0 Ok\r\n");
      if (nextHop !== undefined) sendOn(message);
    }
    isSyncing = false;
    commit();
  });
}

const toSend: { readonly pieces: readonly Buffer[]; readonly recipients: number }[] = [];
const idle: (() => void)[] = [];
let connections = 0;

function sendOn({ pieces, recipients }: Message): void {
  for (let left = recipients; left > 0; left -= RECIPIENTS_TOGETHER) {
    toSend.push({ pieces, recipients: Math.min(left, RECIPIENTS_TOGETHER) });
    const next = idle.pop();
    if (next !== undefined) next();
    else if (connections < MOST_CONNECTIONS) openNext();
  }
}

/** Opens a connection to the next hop, which takes one message after the other. */
function openNext(): void {
  connections++;
  const socket = connect({ port: Number(nextHop), host: "127.0.0.1", noDelay: true });
  let heard: (text: string) => void = () => void (heard = greeted, socket.write("EHLO bare.example\r\n"));
  const greeted = (text: string) => /^250 /m.test(text) && next();
  const next = () => {
    const message = toSend.shift();
    if (message === undefined) return void idle.push(next);
    let replies = message.recipients + 2;
    socket.write(
      `MAIL FROM:<s@example.org>\r\n${"RCPT TO:<r@example.net>\r\n".repeat(message.recipients)}DATA\r\n`,
    );
    heard = (text) => {
      replies -= text.split("\n").length - 1;
      if (replies > 0) return;
      for (const piece of message.pieces) socket.write(piece);
      heard = next;
    };
  };
  socket.on("data", (bytes: Buffer) => heard(bytes.toString("latin1")));
  socket.on("error", () => {});
}

const END_OF_DATA = Buffer.from("\r\n.\r\n");

function endsData(pieces: readonly Buffer[]): boolean {
  const last = pieces.at(-1)!;
  const tail = last.length >= 5 ? last : Buffer.concat(pieces.slice(-5));
  return tail.subarray(-5).equals(END_OF_DATA);
}

createServer({ noDelay: true }, (socket) => {
  let pieces: Buffer[] | undefined;
  let recipients = 0;
  socket.on("error", () => {});
  socket.write("220 bare\r\n");
  socket.on("data", (bytes: Buffer) => {
    if (pieces !== undefined) {
      pieces.push(bytes);
      if (!endsData(pieces)) return;
      waiting.push({ pieces, recipients, from: socket });
      [pieces, recipients] = [undefined, 0];
      return queueMicrotask(commit);
    }
    const command = String.fromCharCode(bytes[0]!);
    if (command === "D") {
      pieces = [];
      socket.write("354 go on\r\n");
    } else if (command === "Q") socket.end("221 bye\r\n");
    else {
      if (command === "R") recipients++;
      socket.write("250 ok\r\n");
    }
  });
}).listen({ port: Number(port), host: "127.0.0.1", reusePort: true });
process.on("SIGTERM", () => {
  for (const child of further) child.kill();
  process.exit(0);
});
