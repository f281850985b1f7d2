// Runs the workloads, one after the other, and prints one table: ours, Postfix's, the ratio, and what is aimed at.
//   bun scripts/bench/all.ts [--only TEXT] [options of the workloads: --rounds N, --workers N, ...]
// Each workload is a program of its own here (`bun scripts/bench/relay.ts`), which prints more. `--only` chooses among the programs.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Figure, FIGURES_FILE, isWanted } from "./figures.ts";

/** What is aimed at: of the ratio to Postfix, or of our own figure. */
interface Aim {
  readonly of: "ratio" | "own";
  readonly is: "at least" | "at most";
  readonly value: number;
}

const ratio = (is: Aim["is"], value: number): Aim => ({ of: "ratio", is, value });
const own = (is: Aim["is"], value: number): Aim => ({ of: "own", is, value });

/** Figures with an aim, by workload and what is measured. */
const AIMS: Readonly<Record<string, Readonly<Record<string, Aim>>>> = {
  "connect to 250, warm": {
    "p50, ms": ratio("at most", 0.6),
    "p99, ms": ratio("at most", 0.6),
    "CPU, ms": ratio("at most", 0.5),
  },
  "connect to 250, first 300 messages": {
    "p50, ms": ratio("at most", 0.6),
    "p99, ms": ratio("at most", 0.6),
    "CPU, ms": ratio("at most", 0.5),
  },
  "receive, a connection per message": { "msg/s": ratio("at least", 6) },
  "receive, session reuse": { "msg/s": ratio("at least", 7) },
  "receive while 5000 sessions idle, a connection per message": { "msg/s": ratio("at least", 10) },
  "relay to one next hop": { "messages/s": ratio("at least", 6), connections: own("at most", 100) },
  "relay of 100 KiB": { "MB/s": ratio("at least", 4), "CPU s per 1 MB": ratio("at most", 0.2) },
  "relay of 1 MiB": { "MB/s": ratio("at least", 1.6), "CPU s per 1 MB": ratio("at most", 0.4) },
  "ten messages to 1,000 recipients": { "recipients/s": ratio("at least", 10) },
  "restart with messages waiting": {
    "start to the first 250, ms": own("at most", 150),
    "memory of all processes at rest, MiB": own("at most", 400),
    "rate of live relay, of the empty queue's, x": own("at least", 0.8),
  },
  "start to the first greeting": { ms: own("at most", 120) },
  "memory after 12 s idle (PSS)": { MiB: own("at most", 60) },
  "postmap -q - of 200000 keys, cdb": { s: ratio("at most", 1) },
  "postmap of 1000000 records, cdb": { s: ratio("at most", 1), "peak MiB": own("at most", 64) },
  "postmap of 1000000 records, hash": { s: ratio("at most", 1), "peak MiB": own("at most", 64) },
};

const PROGRAMS = [
  "main",
  "latency",
  "idle_sessions",
  "relay",
  "start",
  "restart",
  "tables_speed",
  "tls",
  "dkim",
];

async function runProgram(name: string, file: string): Promise<void> {
  const at = process.argv.indexOf("--only");
  const options = process.argv.slice(2).filter((_, index) =>
    at < 0 || (index + 2 !== at && index + 1 !== at)
  );
  const program = join(import.meta.dirname!, `${name}.ts`);
  const child = Bun.spawn([process.execPath, "--no-install", program, ...options], {
    stdout: "inherit",
    stderr: "inherit",
    env: { ...process.env, [FIGURES_FILE]: file },
  });
  if (await child.exited !== 0) console.log(`${name}: failed\n`);
}

const short = (value: number): string => value.toPrecision(value >= 1000 ? 5 : 3).replace(/e\+.*/, "");

function row({ workload, what, mta, postfix }: Figure): string {
  const aim = AIMS[workload]?.[what];
  const times = postfix === undefined ? undefined : mta / postfix;
  const cells = [
    short(mta),
    postfix === undefined ? "-" : short(postfix),
    times?.toFixed(2).concat("x") ?? "-",
  ];
  const judged = aim === undefined ? undefined : aim.of === "own" ? mta : times;
  const reached = aim?.is === "at least" ? judged! >= aim.value : judged! <= aim?.value!;
  const verdict = judged === undefined
    ? ""
    : `${aim!.is} ${aim!.value}${aim!.of === "ratio" ? "x" : ""}: ${reached ? "yes" : "no"}`;
  return `${workload.padEnd(68)} ${what.padEnd(24)} ${
    cells.map((cell) => cell.padStart(9)).join(" ")
  }  ${verdict}`
    .trimEnd();
}

const folder = mkdtempSync(join(tmpdir(), "mta-bench-all-"));
const file = join(folder, "figures");
writeFileSync(file, "");
try {
  for (const name of PROGRAMS) if (isWanted(name)) await runProgram(name, file);
  const lines = readFileSync(file, "utf8").split("\n").filter((line) => line !== "");
  console.log(
    `${"".padEnd(93)} ${["mta", "postfix", "ratio"].map((text) => text.padStart(9)).join(" ")}  aim`,
  );
  for (const line of lines) console.log(row(JSON.parse(line)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
