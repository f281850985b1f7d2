// What the benchmarks share: options, free ports, medians, and the lines in which two servers are compared.
import { appendFileSync } from "node:fs";

/** A run of one server. */
export interface Sample {
  readonly rate: number;
  readonly cpuPerThousand: number;
}

/** The two that are compared. */
export type Samples = Record<"postfix" | "mta", Sample[]>;

/** A figure of both servers: a line of the table of all.ts. */
export interface Figure {
  readonly workload: string;
  /** What is measured, and in what. */
  readonly what: string;
  readonly mta: number;
  readonly postfix?: number | undefined;
}

/** The environment variable that names the file in which all.ts wants the figures. */
export const FIGURES_FILE = "MTA_BENCH_FIGURES";

/** Tells all.ts of a figure, where it has started this program. */
export function noteFigure(figure: Figure): void {
  const file = process.env[FIGURES_FILE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(figure)}\n`);
}

/** The number behind `--name`. */
export function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

/** `--workers N` as a line of main.cf. */
export function workers(): string[] {
  const at = process.argv.indexOf("--workers");
  return at < 0 ? [] : [`worker_processes = ${process.argv[at + 1]}`];
}

/** Whether a scenario is among those that `--only TEXT` leaves. */
export function isWanted(name: string): boolean {
  const at = process.argv.indexOf("--only");
  return at < 0 || name.includes(process.argv[at + 1]!);
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop(true);
  return server.port;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints both servers' rates, and the ratio of their medians. */
export function report(name: string, samples: Samples, unit = "msg"): void {
  const line = (peer: keyof Samples) => {
    if (samples[peer].length === 0) return `  ${peer.padEnd(8)} not installed`;
    const rates = samples[peer].map((sample) => sample.rate);
    const cpu = median(samples[peer].map((sample) => sample.cpuPerThousand));
    const [low, high] = [Math.min(...rates), Math.max(...rates)];
    return `  ${peer.padEnd(8)} ${median(rates).toFixed(0).padStart(6)} ${unit}/s (${low.toFixed(0)}..${
      high.toFixed(0)
    })` +
      `  ${cpu.toFixed(3)} CPU s per 1000`;
  };
  console.log(name);
  for (const peer of ["postfix", "mta"] as const) console.log(line(peer));
  const figure = (what: string, pick: (sample: Sample) => number) => {
    const [mta, postfix] = [samples.mta, samples.postfix].map((of) => median(of.map(pick)));
    noteFigure({
      workload: name,
      what,
      mta: mta!,
      postfix: samples.postfix.length > 0 ? postfix : undefined,
    });
  };
  figure(`${unit}/s`, ({ rate }) => rate);
  figure("CPU s per 1000", ({ cpuPerThousand }) => cpuPerThousand);
  if (samples.postfix.length === 0) return;
  const ratio = (pick: (sample: Sample) => number) =>
    median(samples.mta.map(pick)) / median(samples.postfix.map(pick));
  console.log(
    `  ratio    ${ratio((s) => s.rate).toFixed(2)} x the rate, ${
      ratio((s) => s.cpuPerThousand).toFixed(2)
    } x the CPU\n`,
  );
}
