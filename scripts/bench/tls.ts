// TLS beside the installed Postfix, interleaved, with the same certificates: full handshakes a second, messages with a connection and a
// handshake each, relaying to a next hop over TLS with connection reuse, memory of idle sessions, memory over many handshakes.
//   bun scripts/bench/tls.ts [--seconds N] [--messages N] [--relayed N] [--rounds N] [--sessions N] [--handshakes N] [--only TEXT] [--workers N]
// Load is made by processes of their own: openssl's s_time, tls_source.ts, smtp-source, tls_sink.ts. Handshakes are made with a bare server of
// the runtime's too: what is left of the processor's time there is BoringSSL's and the runtime's; and the clients' own time is told.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds, processTree, pssMebibytes } from "./cpu.ts";
import { freePort, isWanted, median, option, report, type Sample, type Samples, workers } from "./figures.ts";
import { type Peer, run, startMta, startPostfix, waitForPort } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const SESSIONS = 20;
/** Processes of s_time. */
const CLIENTS = 6;
const HOLD = "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject";
/** What Postfix's TLS is made of beside smtpd. */
const TLS_SERVICES = ["tlsmgr unix - - n 1000? 1 tlsmgr", "tlsproxy unix - - n - 0 tlsproxy"];

type Algorithm = "rsa" | "ecdsa";

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate that signs itself: RSA of 2048 bits, or ECDSA on P-256. */
async function makePair(folder: string, algorithm: Algorithm): Promise<Pair> {
  const [certificate, key] = [join(folder, `${algorithm}.pem`), join(folder, `${algorithm}.key`)];
  const kind = algorithm === "rsa"
    ? ["-newkey", "rsa:2048"]
    : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const about = [
    "-nodes",
    "-days",
    "3",
    "-subj",
    "/CN=mail.example.com",
    "-keyout",
    key,
    "-out",
    certificate,
  ];
  await run(["openssl", "req", "-x509", ...kind, ...about]);
  return { certificate, key };
}

function serverLines({ certificate, key }: Pair): string[] {
  const files = [`smtpd_tls_cert_file = ${certificate}`, `smtpd_tls_key_file = ${key}`];
  return [...files, "smtpd_tls_security_level = may", HOLD, ...workers()];
}

/** A server, with its port for TLS from the first byte. */
interface TlsPeer extends Peer {
  readonly wrapped: number;
}

/** Both servers on the same lines; ours alone where there is no Postfix. */
async function startBoth(root: string, lines: readonly string[]): Promise<TlsPeer[]> {
  const home = mkdtempSync(join(root, "run-"));
  Bun.spawnSync(["chmod", "755", home]);
  const peers: TlsPeer[] = [];
  const start = async (make: (port: number, services: readonly string[]) => Promise<Peer>) => {
    const wrapped = freePort();
    const service = `127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`;
    peers.push({ ...await make(freePort(), [service, ...TLS_SERVICES]), wrapped });
  };
  if (Bun.which("postfix") !== null) {
    await start((port, services) => startPostfix(join(home, "postfix"), port, lines, services));
  }
  await start((port, services) => startMta(BINARY, join(home, "mta"), port, lines, services));
  return peers;
}

/** What a run of a server comes to: `work` answers how much was done. */
async function measured(peer: Pick<Peer, "pid">, work: () => Promise<number>): Promise<Sample> {
  const before = { cpu: cpuSeconds(peer.pid), at: performance.now() };
  const done = await work();
  const seconds = (performance.now() - before.at) / 1000;
  await Bun.sleep(300); // let the tail of the work be counted
  return { rate: done / seconds, cpuPerThousand: (cpuSeconds(peer.pid) - before.cpu) / done * 1000 };
}

/** Rounds in turn, after one that does not count. */
async function interleaved(
  peers: readonly TlsPeer[],
  rounds: number,
  work: (peer: TlsPeer) => Promise<number>,
): Promise<Samples> {
  const samples: Samples = { mta: [], postfix: [] };
  for (const peer of peers) await work(peer);
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) samples[peer.name].push(await measured(peer, () => work(peer)));
  }
  return samples;
}

/** The processor's time of all clients so far, seconds, and what they did. */
const clients = { cpu: 0, handshakes: 0 };

/** Full handshakes for so many seconds; answers how many. */
async function handshakes(port: number, seconds: number): Promise<number> {
  const command = ["openssl", "s_time", "-connect", `127.0.0.1:${port}`, "-new", "-time", String(seconds)];
  const counts = await Promise.all(Array.from({ length: CLIENTS }, async () => {
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
    const text = await new Response(child.stdout).text();
    await child.exited;
    clients.cpu += Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
    return Number(/(\d+) connections in \d+ real/.exec(text)?.[1] ?? NaN);
  }));
  const done = counts.reduce((sum, count) => sum + count, 0);
  clients.handshakes += done;
  return done;
}

/** The runtime with one of the programs beside this file. */
const program = (name: string, ...args: readonly (string | number)[]) => [
  process.execPath,
  "--no-install",
  join(import.meta.dirname!, name),
  ...args.map(String),
];

/** The same with a server that does nothing but TLS. */
async function floor({ certificate, key }: Pair, seconds: number, rounds: number): Promise<void> {
  const port = freePort();
  const child = Bun.spawn(program("tls_bare.ts", port, certificate, key), { stderr: "inherit" });
  try {
    await waitForPort(port);
    const samples: Sample[] = [];
    for (let round = 0; round <= rounds; round++) {
      samples.push(await measured({ pid: child.pid }, () => handshakes(port, seconds)));
    }
    const [rate, cpu] = (["rate", "cpuPerThousand"] as const).map((of) =>
      median(samples.slice(1).map((sample) => sample[of]))
    );
    const client = clients.cpu / clients.handshakes * 1000;
    console.log(
      `  bare     ${rate!.toFixed(0).padStart(6)} shake/s  ${cpu!.toFixed(3)} CPU s per 1000; ` +
        `the clients themselves ${client.toFixed(3)}\n`,
    );
  } finally {
    child.kill();
  }
}

async function messages(port: number, count: number): Promise<number> {
  await run(program("tls_source.ts", port, SESSIONS, count));
  return count;
}

/** The next hop, and what it has had. */
class Sink {
  readonly port = freePort();
  messages = 0;
  connections = 0;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;

  constructor({ certificate, key }: Pair) {
    this.#child = Bun.spawn(program("tls_sink.ts", this.port, certificate, key), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout) {
      const last = new TextDecoder().decode(chunk).trim().split("\n").at(-1)!.split(" ");
      [this.messages, this.connections] = [Number(last[0]), Number(last[1])];
    }
  }

  stop(): void {
    this.#child.kill();
  }
}

/** Messages in over session reuse in the clear, out over TLS; answers when the next hop has all. */
async function relay(peer: Peer, sink: Sink, count: number): Promise<number> {
  const before = sink.messages;
  const load = ["-s", String(SESSIONS), "-m", String(count), "-l", "4096", "-d"];
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
  await run(["smtp-source", ...load, ...people, `127.0.0.1:${peer.port}`]);
  for (const end = performance.now() + 300_000; sink.messages - before < count; await Bun.sleep(2)) {
    if (performance.now() > end) {
      throw new Error(`${peer.name}: ${sink.messages - before} of ${count} relayed`);
    }
  }
  return count;
}

/** What a session costs that does nothing. */
async function idleSessions(peer: TlsPeer, count: number): Promise<void> {
  await Bun.sleep(1000);
  const before = pssMebibytes(peer.pid);
  const holder = Bun.spawn(program("tls_source.ts", peer.port, "hold", count), {
    stdin: "pipe",
    stdout: "pipe",
  });
  await holder.stdout.getReader().read();
  await Bun.sleep(1500);
  const more = pssMebibytes(peer.pid) - before;
  console.log(
    `  ${peer.name.padEnd(8)} ${count} sessions: ${more.toFixed(1)} MiB more (PSS), ` +
      `${(more * 1024 / count).toFixed(1)} KiB each, in ${processTree(peer.pid).length} processes`,
  );
  holder.stdin.end();
  await holder.exited;
}

/** Memory after the first handshakes, half of them, and all. */
async function manyHandshakes(peer: TlsPeer, count: number): Promise<void> {
  const memory: string[] = [];
  let done = 0;
  for (const goal of [count / 10, count / 2, count]) {
    while (done < goal) done += await handshakes(peer.wrapped, 2);
    await Bun.sleep(1000);
    memory.push(`${pssMebibytes(peer.pid).toFixed(1)} MiB after ${done}`);
  }
  console.log(`  ${peer.name.padEnd(8)} ${memory.join(", ")}`);
}

async function withBoth(
  root: string,
  lines: readonly string[],
  use: (peers: readonly TlsPeer[]) => Promise<void>,
): Promise<void> {
  const peers = await startBoth(root, lines);
  try {
    await use(peers);
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

/** Handshakes and messages with one kind of certificate. */
async function serving(root: string, algorithm: Algorithm, pair: Pair, rounds: number): Promise<void> {
  const [first, second] = [
    `full handshakes, ${algorithm}`,
    `receive, a connection per message, ${algorithm}`,
  ];
  if (!isWanted(first) && !isWanted(second)) return;
  await withBoth(root, serverLines(pair), async (peers) => {
    if (isWanted(first)) {
      const seconds = option("seconds", 5);
      Object.assign(clients, { cpu: 0, handshakes: 0 });
      report(first, await interleaved(peers, rounds, (peer) => handshakes(peer.wrapped, seconds)), "shake");
      await floor(pair, seconds, rounds);
    }
    if (isWanted(second)) {
      const count = option("messages", 2000);
      report(second, await interleaved(peers, rounds, (peer) => messages(peer.port, count)));
    }
  });
}

async function relaying(root: string, pair: Pair, rounds: number): Promise<void> {
  const name = "relay over TLS, connection reuse";
  if (!isWanted(name)) return;
  const sink = new Sink(pair);
  const client = ["smtp_tls_security_level = encrypt", "smtp_tls_connection_reuse = yes"];
  try {
    await withBoth(root, [`relayhost = [127.0.0.1]:${sink.port}`, ...client, ...workers()], async (peers) => {
      const count = option("relayed", 5000);
      const connections: Record<string, number> = {};
      const samples = await interleaved(peers, rounds, async (peer) => {
        const before = sink.connections;
        await relay(peer, sink, count);
        connections[peer.name] = sink.connections - before;
        return count;
      });
      report(name, samples);
      console.log(`  connections of the last round: ${JSON.stringify(connections)}\n`);
    });
  } finally {
    sink.stop();
  }
}

async function memory(root: string, pair: Pair): Promise<void> {
  const [idle, many] = ["memory of idle sessions", "memory over handshakes"];
  if (!isWanted(idle) && !isWanted(many)) return;
  const most = option("sessions", 1000);
  const lines = [...serverLines(pair), `default_process_limit = ${most + 100}`];
  await withBoth(root, lines, async (peers) => {
    for (
      const [name, use] of [
        // Postfix has a process for each session.
        [idle, (peer: TlsPeer) => idleSessions(peer, peer.name === "postfix" ? Math.min(most, 100) : most)],
        [many, (peer: TlsPeer) => manyHandshakes(peer, option("handshakes", 20_000))],
      ] as const
    ) {
      if (!isWanted(name)) continue;
      console.log(name);
      for (const peer of peers) await use(peer);
    }
  });
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "mta-bench-tls-"));
  Bun.spawnSync(["chmod", "755", root]);
  const rounds = option("rounds", 5);
  try {
    const pairs = { rsa: await makePair(root, "rsa"), ecdsa: await makePair(root, "ecdsa") };
    for (const algorithm of ["rsa", "ecdsa"] as const) {
      await serving(root, algorithm, pairs[algorithm], rounds);
    }
    await relaying(root, pairs.ecdsa, rounds);
    await memory(root, pairs.ecdsa);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
