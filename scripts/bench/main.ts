// `deno task bench`: receive and relay, ours beside the installed Postfix on this machine, both durable, interleaved.
// Prints rates, the ratio of medians, and CPU seconds per 1,000 messages. Load goes to loopback only.
//   --messages N   per run (10000)    --rounds N   counted rounds of each (5)     --brief   one small round, to keep it alive
//   --workers N    our worker_processes (auto)      --only TEXT  scenarios whose name has it
// Before the counted rounds each server gets as many messages as one round, uncounted: what is measured is the steady state.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds } from "./cpu.ts";
import { freePort, isWanted, option, report, type Sample, type Samples, workers } from "./figures.ts";
import { type Peer, run, startMta, startPostfix } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const SESSIONS = 20;
const SIZE = 4096;

interface Scenario {
  readonly name: string;
  readonly main: readonly string[];
  /** Extra options of smtp-source. */
  readonly source: readonly string[];
  readonly relayed: boolean;
}

/** Receiving alone: every message is put on hold once it is durable, so nothing else runs. */
const RECEIVE = [
  "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject",
];

const scenario = (name: string, relayed: boolean, ...source: string[]) => (sink: number): Scenario => ({
  name,
  relayed,
  source,
  main: relayed ? [`relayhost = [127.0.0.1]:${sink}`] : RECEIVE,
});

/** The same no-op milters for both: one as libmilter makes it of a filter without callbacks, one that hears and answers all. */
const MILTERS = [{ port: freePort(), events: 0x37f }, { port: freePort(), events: 0 }] as const;
const behindMilter =
  ({ port }: (typeof MILTERS)[number], make: (sink: number) => Scenario) => (sink: number) => {
    const { main, ...rest } = make(sink);
    return { ...rest, main: [...main, `smtpd_milters = inet:127.0.0.1:${port}`] };
  };

const SCENARIOS = [
  scenario("receive, a connection per message", false),
  scenario("receive, session reuse", false, "-d"),
  scenario("relay, a connection per message", true),
  scenario("relay, session reuse", true, "-d"),
  behindMilter(MILTERS[0], scenario("receive through a no-op milter, a connection per message", false)),
  behindMilter(MILTERS[0], scenario("receive through a no-op milter, session reuse", false, "-d")),
  behindMilter(
    MILTERS[1],
    scenario("receive through a milter that hears all, a connection per message", false),
  ),
  behindMilter(MILTERS[1], scenario("receive through a milter that hears all, session reuse", false, "-d")),
];

async function startMilter({ port, events }: (typeof MILTERS)[number]): Promise<Bun.Subprocess> {
  const program = join(import.meta.dirname!, "noop_milter.ts");
  const child = Bun.spawn([process.execPath, "--no-install", program, String(port), String(events)], {
    stdin: "ignore",
    stdout: "pipe",
  });
  await child.stdout.getReader().read();
  return child;
}

/** smtp-sink, with the number of messages it has received. */
class Sink {
  #child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  count = 0;
  constructor(readonly port: number) {
    const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
    this.#child = Bun.spawn(["smtp-sink", ...user, "-c", `127.0.0.1:${port}`, "1000"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    this.#read();
  }
  async #read(): Promise<void> {
    let tail = "";
    for await (const chunk of this.#child.stdout) {
      tail = (tail + new TextDecoder().decode(chunk)).slice(-200);
      const all = [...tail.matchAll(/mesg=(\d+)\r/g)];
      if (all.length > 0) this.count = Number(all.at(-1)![1]);
    }
  }
  stop(): void {
    this.#child.kill();
  }
}

async function measure(peer: Peer, scenario: Scenario, messages: number, sink: Sink): Promise<Sample> {
  const before = { cpu: cpuSeconds(peer.pid), sink: sink.count, at: performance.now() };
  await run([
    "smtp-source",
    "-s",
    String(SESSIONS),
    "-m",
    String(messages),
    "-l",
    String(SIZE),
    ...scenario.source,
    "-f",
    "sender@example.org",
    "-t",
    "recipient@example.net",
    `127.0.0.1:${peer.port}`,
  ]);
  const deadline = performance.now() + 120_000;
  while (scenario.relayed && sink.count - before.sink < messages) {
    if (performance.now() > deadline) {
      throw new Error(`${peer.name}: ${sink.count - before.sink} of ${messages} relayed`);
    }
    await Bun.sleep(2);
  }
  const seconds = (performance.now() - before.at) / 1000;
  await Bun.sleep(300); // let the tail of the work be counted
  return { rate: messages / seconds, cpuPerThousand: (cpuSeconds(peer.pid) - before.cpu) / messages * 1000 };
}

async function compare(
  root: string,
  make: (sink: number) => Scenario,
  rounds: number,
  messages: number,
): Promise<void> {
  const sink = new Sink(freePort());
  const scenario = make(sink.port);
  const peers: Peer[] = [];
  const samples: Samples = { mta: [], postfix: [] };
  try {
    const home = mkdtempSync(join(root, "run-"));
    Bun.spawnSync(["chmod", "755", home]);
    if (Bun.which("postfix") !== null) {
      peers.push(await startPostfix(join(home, "postfix"), freePort(), scenario.main));
    }
    peers.push(await startMta(BINARY, join(home, "mta"), freePort(), [...scenario.main, ...workers()]));
    for (const peer of peers) await measure(peer, scenario, messages, sink);
    for (let round = 0; round < rounds; round++) {
      for (const peer of peers) samples[peer.name].push(await measure(peer, scenario, messages, sink));
    }
  } finally {
    for (const peer of peers) await peer.stop();
    sink.stop();
  }
  report(scenario.name, samples);
}

async function main(): Promise<void> {
  if (Bun.which("smtp-source") === null) throw new Error("smtp-source is missing: apt-get install postfix");
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: deno task build`);
  const brief = process.argv.includes("--brief");
  const rounds = option("rounds", brief ? 1 : 5);
  const messages = option("messages", brief ? 300 : 10_000);
  const root = mkdtempSync(join(tmpdir(), "mta-bench-"));
  mkdirSync(root, { recursive: true });
  Bun.spawnSync(["chmod", "755", root]);
  console.log(
    `${messages} messages of ${SIZE} bytes a run, ${SESSIONS} sessions, ${rounds} rounds, interleaved\n`,
  );
  const milters = await Promise.all(MILTERS.map(startMilter));
  try {
    for (const make of SCENARIOS) {
      if (!isWanted(make(0).name)) continue;
      await compare(root, make, rounds, messages);
    }
  } finally {
    for (const milter of milters) milter.kill();
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
