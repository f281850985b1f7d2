// A start with many messages waiting, all deferred for an hour: from the start of the process to the first 250 for new mail, until the
// queue is loaded, memory of all processes, and what waiting messages cost live relay (the rate beside that with an empty queue, in turn).
//   bun scripts/bench/restart.ts [--messages N] [--rounds N] [--workers N] [--live N] [--size BYTES] [--killed 1: no clean stop before]
// Ours is filled through the store (scripts/fill_queue.ts), Postfix by receiving with all transports deferred, and only up to 100,000.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds, pssMebibytes } from "./cpu.ts";
import { freePort, median, noteFigure, option } from "./figures.ts";
import { type Peer, run, startMta, startPostfix } from "./peer.ts";
import { SmtpSink } from "./smtp_sink.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const MESSAGES = option("messages", 100_000);
const LIVE = option("live", 5000);
const SIZE = option("size", 1000);
const WORKERS = option("workers", 2);
const MOST_OF_POSTFIX = 100_000;
/** Milliseconds of rest before memory is read. */
const REST = 12_000;
/** No retry comes while this runs. */
const BACKOFF = ["minimal_backoff_time = 36000s", "maximal_backoff_time = 36000s"];

/** Sends one message; resolves at the 250 that says it is stored, rejects when nobody listens. */
function sendOne(port: number): Promise<void> {
  const lines = ["EHLO client.example", "MAIL FROM:<s@example.org>", "RCPT TO:<r@example.net>", "DATA"];
  lines.push("Subject: first\r\n\r\nfirst\r\n.");
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!/^\d{3} [^\n]*\n$/m.test(text)) return;
      const isLast = lines.length === 0;
      if (!/^[23]/.test(text)) reject(new Error(text));
      text = "";
      if (isLast) resolve(void socket.destroy());
      else socket.write(`${lines.shift()}\r\n`);
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
}

async function firstAccepted(port: number): Promise<void> {
  for (const end = performance.now() + 120_000;;) {
    try {
      return await sendOne(port);
    } catch (error) {
      if (performance.now() > end) throw error;
      await Bun.sleep(2);
    }
  }
}

/** Milliseconds since the start until all workers of ours have said that they have loaded the queue. */
async function loaded(folder: string, before: number): Promise<void> {
  for (const end = performance.now() + 300_000; performance.now() < end; await Bun.sleep(20)) {
    if (loadedLines(folder) >= before + WORKERS) return;
  }
  throw new Error("the queue is not loaded after five minutes");
}

function loadedLines(folder: string): number {
  try {
    return readFileSync(join(folder, "mail.log"), "latin1").split("found after restart").length - 1;
  } catch {
    return 0;
  }
}

/** How one of the servers is filled and started; `folder` is where it is. */
interface Contender {
  readonly name: Peer["name"];
  start(folder: string, port: number): Promise<Peer>;
  fill(folder: string): Promise<void>;
  /** Resolves when it knows its whole queue; `before`: what `lines` said before the start. */
  loaded(folder: string, before: number): Promise<void>;
  readonly messages: number;
}

function ours(sink: SmtpSink): Contender {
  const main = [`relayhost = [127.0.0.1]:${sink.port}`, `worker_processes = ${WORKERS}`, ...BACKOFF];
  return {
    name: "mta",
    messages: MESSAGES,
    start: (folder, port) => startMta(BINARY, folder, port, main),
    loaded,
    async fill(folder) {
      mkdirSync(join(folder, "queue"), { recursive: true });
      const program = resolve(import.meta.dirname!, "../fill_queue.ts");
      const owner = process.getuid?.() === 0 ? ["--owner=nobody"] : [];
      const how = [`--messages=${MESSAGES}`, `--size=${SIZE}`, `--shards=${WORKERS}`, "--due=36000"];
      const where = [`--directory=${join(folder, "queue")}`, ...owner];
      await run([process.execPath, "--no-install", program, ...where, ...how]);
    },
  };
}

function postfix(sink: SmtpSink): Contender {
  const main = [`relayhost = [127.0.0.1]:${sink.port}`, ...BACKOFF];
  const messages = Math.min(MESSAGES, MOST_OF_POSTFIX);
  return {
    name: "postfix",
    messages,
    start: (folder, port) => startPostfix(folder, port, main),
    loaded: () => Promise.resolve(),
    async fill(folder) {
      const peer = await startPostfix(folder, freePort(), [...main, "defer_transports = smtp"]);
      const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
      const how = ["-d", "-s", "20", "-m", String(messages), "-l", String(SIZE), ...people];
      await run(["smtp-source", ...how, `127.0.0.1:${peer.port}`]);
      await deferredAll(join(folder, "queue"));
      await peer.stop();
    },
  };
}

async function deferredAll(queue: string): Promise<void> {
  for (const end = performance.now() + 600_000; performance.now() < end; await Bun.sleep(500)) {
    const folders = ["incoming", "active"].map((name) => join(queue, name));
    if ((await run(["find", ...folders, "-type", "f"])) === "") return;
  }
  throw new Error("Postfix has not deferred its messages after ten minutes");
}

interface Figures {
  readonly first: number[];
  readonly whole: number[];
  readonly memory: number[];
  /** Messages a second, and seconds of the processor for a thousand of them. */
  readonly rate: number[];
  readonly cpu: number[];
  readonly emptyRate: number[];
  readonly emptyCpu: number[];
}

async function relay(peer: Peer, sink: SmtpSink): Promise<{ rate: number; cpu: number }> {
  const [before, cpu, began] = [sink.counts.messages, cpuSeconds(peer.pid), performance.now()];
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
  await run([
    "smtp-source",
    "-d",
    "-s",
    "20",
    "-m",
    String(LIVE),
    "-l",
    "4096",
    ...people,
    `127.0.0.1:${peer.port}`,
  ]);
  await sink.received(before + LIVE);
  const rate = LIVE / ((performance.now() - began) / 1000);
  await Bun.sleep(300);
  return { rate, cpu: (cpuSeconds(peer.pid) - cpu) / LIVE * 1000 };
}

async function measure(contender: Contender, root: string, sink: SmtpSink): Promise<Figures> {
  const figures: Figures = {
    first: [],
    whole: [],
    memory: [],
    rate: [],
    cpu: [],
    emptyRate: [],
    emptyCpu: [],
  };
  const [full, empty] = ["full", "empty"].map((name) => join(root, `${contender.name}-${name}`));
  for (const folder of [full!, empty!]) mkdirSync(folder, { recursive: true });
  await contender.fill(full!);
  for (let round = 0; round < option("rounds", 3); round++) {
    const peer = await start(contender, full!, figures);
    await sleepAndWeigh(peer, figures);
    const other = await contender.start(empty!, freePort());
    try {
      for (const each of [other, peer]) await relay(each, sink);
      for (let turn = 0; turn < 2; turn++) {
        const [without, with_] = [await relay(other, sink), await relay(peer, sink)];
        figures.emptyRate.push(without.rate);
        figures.emptyCpu.push(without.cpu);
        figures.rate.push(with_.rate);
        figures.cpu.push(with_.cpu);
      }
    } finally {
      await other.stop();
      await end(peer);
    }
  }
  return figures;
}

async function end(peer: Peer): Promise<void> {
  if (peer.name === "mta" && option("killed", 0) === 1) {
    await run(["pkill", "-KILL", "-P", String(peer.pid)]);
  }
  await peer.stop();
}

async function start(contender: Contender, folder: string, figures: Figures): Promise<Peer> {
  const [before, port] = [loadedLines(folder), freePort()];
  const began = performance.now();
  const starting = contender.start(folder, port);
  await firstAccepted(port);
  figures.first.push(performance.now() - began);
  const peer = await starting;
  await contender.loaded(folder, before);
  figures.whole.push(performance.now() - began);
  return peer;
}

async function sleepAndWeigh(peer: Peer, { memory }: Figures): Promise<void> {
  await Bun.sleep(REST);
  memory.push(pssMebibytes(peer.pid));
}

function print(figures: Partial<Record<Peer["name"], Figures>>): void {
  const { mta, postfix: other } = figures;
  const row = (what: string, unit: string, pick: (of: Figures) => number) => {
    const isSame = MESSAGES <= MOST_OF_POSTFIX;
    const of = (each: Figures | undefined) => each === undefined ? undefined : pick(each);
    noteFigure({
      workload: "restart with messages waiting",
      what: `${what}, ${unit}`,
      mta: of(mta)!,
      postfix: isSame ? of(other) : undefined,
    });
    const cells = [["mta", mta], ["postfix", other]] as const;
    const shown = cells.flatMap(([name, each]) =>
      each === undefined ? [] : [`${name} ${pick(each).toFixed(2)} ${unit}`]
    );
    console.log(what.padEnd(44) + shown.join("   "));
  };
  console.log(`restart with ${MESSAGES} messages waiting (Postfix: ${Math.min(MESSAGES, MOST_OF_POSTFIX)})`);
  row("start to the first 250", "ms", ({ first }) => median(first));
  row("start until all is loaded", "ms", ({ whole }) => median(whole));
  row("memory of all processes at rest", "MiB", ({ memory }) => median(memory));
  row("live relay", "msg/s", ({ rate }) => median(rate));
  row("live relay, empty queue", "msg/s", ({ emptyRate }) => median(emptyRate));
  row(
    "rate of live relay, of the empty queue's",
    "x",
    ({ rate, emptyRate }) => median(rate) / median(emptyRate),
  );
  row("processor time, of the empty queue's", "x", ({ cpu, emptyCpu }) => median(cpu) / median(emptyCpu));
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "mta-bench-restart-"));
  chmodSync(root, 0o755);
  const sink = new SmtpSink(freePort());
  try {
    const figures: Partial<Record<Peer["name"], Figures>> = {};
    for (const contender of [...(Bun.which("postfix") === null ? [] : [postfix(sink)]), ours(sink)]) {
      if (option("postfix", 1) === 0 && contender.name === "postfix") continue;
      figures[contender.name] = await measure(contender, root, sink);
    }
    print(figures);
  } finally {
    sink.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
