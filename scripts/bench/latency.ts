// One client, one message at a time, ours beside the installed Postfix, interleaved: from connect to 250, from MAIL to 250 on a connection
// that is open, and from the end of the content to the first bytes at the next hop. 50th and 99th percentile, and the servers' CPU.
//   bun scripts/bench/latency.ts [--messages N] [--rounds N] [--workers N] [--only TEXT] [--steps]
// The first 300 messages after a start are told apart: a small server sees no others. `--steps` tells the median of each step.
// The client's calls wait in the system: no event loop of its own is measured.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BlockingListener, BlockingSocket, waitForInput } from "./blocking_socket.ts";
import { cpuSeconds } from "./cpu.ts";
import { freePort, isWanted, median, noteFigure, option, workers } from "./figures.ts";
import { type Peer, startMta, startPostfix } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const HOLD = "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject";
/** Messages after a start that count as cold. */
const COLD = 300;
const BODY = `Subject: one\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(56)}.\r\n`;

/** Times in milliseconds: what is measured of each message, and of its steps by name. */
interface Times {
  readonly whole: number[];
  readonly steps: Record<string, number[]>;
  /** Seconds of the server's. */
  cpu: number;
}

const noTimes = (): Times => ({ whole: [], steps: {}, cpu: 0 });

/** A way of sending one message; adds its times. */
type SendOne = (port: number, times: Times) => void;

/** Hears what an exchange took since the one before. */
function stepTimer(times: Times): (name: string) => number {
  let before = performance.now();
  return (name) => {
    const now = performance.now();
    (times.steps[name] ??= []).push(now - before);
    return before = now;
  };
}

function transaction(socket: BlockingSocket, step: (name: string) => number): void {
  const say = (name: string, text: string, digit: string) => {
    socket.send(text);
    socket.reply(digit);
    step(name);
  };
  say("MAIL", "MAIL FROM:<sender@example.org>\r\n", "2");
  say("RCPT", "RCPT TO:<recipient@example.net>\r\n", "2");
  say("DATA", "DATA\r\n", "3");
  say("content", BODY, "2");
}

function hello(port: number, step: (name: string) => number): BlockingSocket {
  const socket = BlockingSocket.connect(port);
  socket.reply("2");
  step("banner");
  socket.send("EHLO client.example.org\r\n");
  socket.reply("2");
  step("EHLO");
  return socket;
}

function bye(socket: BlockingSocket): void {
  socket.send("QUIT\r\n");
  socket.until("\r\n");
  socket.close();
}

const connectEach: SendOne = (port, times) => {
  const step = stepTimer(times);
  const began = performance.now();
  const socket = hello(port, step);
  transaction(socket, step);
  times.whole.push(performance.now() - began);
  bye(socket);
};

/** Keeps a connection to each server; Postfix closes it after so many messages, and a new one is not counted. */
function onOpenConnection(): SendOne {
  const open = new Map<number, BlockingSocket>();
  return (port, times) => {
    let socket = open.get(port);
    if (socket === undefined) open.set(port, socket = hello(port, () => 0));
    const step = stepTimer(times);
    const began = performance.now();
    transaction(socket, step);
    times.whole.push(performance.now() - began);
  };
}

const ANSWERS: Readonly<Record<string, string>> = {
  EHLO: "250-next.example.net\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
  DATA: "354 go on\r\n",
  QUIT: "221 2.0.0 Bye\r\n",
};

/** Plays the next hop too, in turn with the client: nobody else is there. */
class NextHop {
  readonly #listener: BlockingListener;
  /** A connection that a server has left open, by the server's port. */
  readonly #open = new Map<number, BlockingSocket>();

  constructor(readonly port: number) {
    this.#listener = new BlockingListener(port);
  }

  /** Waits for one message; answers when the first bytes that it brought were there, or its connection. */
  take(server: number): number {
    for (;;) {
      const socket = this.#ready(server);
      const first = performance.now();
      for (let sent: boolean | undefined = false; sent !== undefined;) {
        sent = this.#answer(socket);
        if (sent === true) return first;
      }
      this.#open.delete(server);
      socket.close();
    }
  }

  #ready(server: number): BlockingSocket {
    const kept = this.#open.get(server);
    const ready = waitForInput([...(kept === undefined ? [] : [kept.fd]), this.#listener.fd], 60_000);
    if (ready < 0) throw new Error("nothing came to the next hop");
    if (ready === 0 && kept !== undefined) return kept;
    kept?.close();
    const socket = this.#listener.accept();
    socket.send("220 next.example.net ESMTP\r\n");
    this.#open.set(server, socket);
    return socket;
  }

  /** Answers one command; true after a message, undefined at the end. */
  #answer(socket: BlockingSocket): boolean | undefined {
    const line = socket.until("\r\n");
    if (line === undefined) return undefined;
    const [verb = ""] = line.split(/[ \r]/);
    socket.send(ANSWERS[verb] ?? "250 2.0.0 Ok\r\n");
    if (verb === "QUIT") return undefined;
    if (verb !== "DATA") return false;
    socket.until("\r\n.\r\n");
    socket.send("250 2.0.0 Ok\r\n");
    return true;
  }

  /** Whoever still says QUIT finds nobody. */
  close(): void {
    this.#listener.close();
    for (const socket of this.#open.values()) socket.close();
  }
}

function relayed(hop: NextHop): SendOne {
  const send = onOpenConnection();
  return (port, times) => {
    const own = noTimes();
    send(port, own);
    const began = performance.now();
    const first = hop.take(port);
    const [content] = own.steps.content!;
    times.whole.push(content! + first - began);
    for (const [name, values] of Object.entries({ ...own.steps, "250 to next hop": [first - began] })) {
      (times.steps[name] ??= []).push(...values);
    }
  };
}

interface Scenario {
  readonly name: string;
  readonly main: readonly string[];
  readonly send: SendOne;
  close(): void;
}

const SCENARIOS: readonly { readonly name: string; make(): Omit<Scenario, "name"> }[] = [
  { name: "connect to 250", make: () => ({ main: [HOLD], send: connectEach, close: () => {} }) },
  {
    name: "MAIL to 250, open connection",
    make: () => ({ main: [HOLD], send: onOpenConnection(), close: () => {} }),
  },
  {
    name: "end of content to the next hop",
    make() {
      const hop = new NextHop(freePort());
      return { main: [`relayhost = [127.0.0.1]:${hop.port}`], send: relayed(hop), close: () => hop.close() };
    },
  },
];

/** Sends so many, and adds what the server spent on them. */
async function sendSome(peer: Peer, send: SendOne, count: number, times: Times): Promise<void> {
  const before = cpuSeconds(peer.pid);
  for (let i = 0; i < count; i++) send(peer.port, times);
  await Bun.sleep(200); // let the tail of the work be counted
  times.cpu += cpuSeconds(peer.pid) - before;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

const figuresOf = (
  { whole, cpu }: Times,
) => [percentile(whole, 0.5), percentile(whole, 0.99), cpu / whole.length * 1000];

function tell(name: string, times: ReadonlyMap<Peer["name"], Times>): void {
  console.log(name);
  for (const [peer, own] of times) {
    const [p50, p99, cpu] = figuresOf(own);
    const cells = [
      `p50 ${p50!.toFixed(3)} ms`,
      `p99 ${p99!.toFixed(3)} ms`,
      `CPU ${cpu!.toFixed(2)} ms a message`,
    ];
    console.log(`  ${peer.padEnd(8)} ${cells.join("  ")}`);
    if (!process.argv.includes("--steps")) continue;
    const steps = Object.entries(own.steps).map(([step, values]) => `${step} ${median(values).toFixed(3)}`);
    console.log(`           ${steps.join("  ")}`);
  }
  const [ours, theirs] = [times.get("mta"), times.get("postfix")];
  if (ours === undefined) return;
  for (const [at, what] of ["p50, ms", "p99, ms", "CPU, ms"].entries()) {
    const postfix = theirs === undefined ? undefined : figuresOf(theirs)[at];
    noteFigure({ workload: name, what, mta: figuresOf(ours)[at]!, postfix });
  }
  if (theirs === undefined) return;
  const ratios = figuresOf(ours).map((figure, at) => (figure / figuresOf(theirs)[at]!).toFixed(2));
  console.log(`  ratio    p50 ${ratios[0]} x  p99 ${ratios[1]} x  CPU ${ratios[2]} x\n`);
}

async function startBoth(home: string, main: readonly string[]): Promise<Peer[]> {
  const peers: Peer[] = [];
  if (Bun.which("postfix") !== null) peers.push(await startPostfix(join(home, "postfix"), freePort(), main));
  peers.push(await startMta(BINARY, join(home, "mta"), freePort(), [...main, ...workers()]));
  return peers;
}

async function compare(root: string, { name, make }: (typeof SCENARIOS)[number]): Promise<void> {
  const home = mkdtempSync(join(root, "run-"));
  Bun.spawnSync(["chmod", "755", home]);
  const { main, send, close } = make();
  const peers = await startBoth(home, main);
  const [cold, warm] = [0, 1].map(() => new Map(peers.map((peer) => [peer.name, noTimes()])));
  try {
    for (const peer of peers) await sendSome(peer, send, COLD, cold!.get(peer.name)!);
    for (let round = 0; round < option("rounds", 5); round++) {
      for (const peer of peers) await sendSome(peer, send, option("messages", 500), warm!.get(peer.name)!);
    }
  } finally {
    for (const peer of peers) await peer.stop();
    close();
  }
  tell(`${name}, first ${COLD} messages`, cold!);
  tell(`${name}, warm`, warm!);
}

const root = mkdtempSync(join(tmpdir(), "mta-latency-"));
Bun.spawnSync(["chmod", "755", root]);
try {
  for (const scenario of SCENARIOS) if (isWanted(scenario.name)) await compare(root, scenario);
} finally {
  rmSync(root, { recursive: true, force: true });
}
