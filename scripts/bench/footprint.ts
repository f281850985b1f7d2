// What the server costs when nothing happens: first greeting, idle memory, 10,000 idle connections, start of a small command.
// Prints figures; judges nothing. `bun scripts/bench/footprint.ts [--connections N]`
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { processTree, pssMebibytes } from "./cpu.ts";
import { median } from "./figures.ts";
import { closeAll, openIdle } from "./idle.ts";
import { run, startMta } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");

async function firstBanner(root: string, port: number): Promise<number> {
  const started = performance.now();
  const peer = await startMta(BINARY, join(root, "start"), port, ["worker_processes = 1"]);
  const took = performance.now() - started;
  await peer.stop();
  return took;
}

async function commandTime(command: string[], runs: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await run(command);
    times.push(performance.now() - started);
  }
  return median(times);
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--connections");
  const count = at < 0 ? 10_000 : Number(process.argv[at + 1]);
  const root = mkdtempSync(join(tmpdir(), "mta-footprint-"));
  Bun.spawnSync(["chmod", "755", root]);
  try {
    const starts: number[] = [];
    for (let i = 0; i < 5; i++) starts.push(await firstBanner(root, 19_025));
    console.log(`first greeting after start        ${median(starts).toFixed(0)} ms (median of 5)`);

    const lines = [
      "worker_processes = 1",
      `default_process_limit = ${count + 1000}`,
      "smtpd_peername_lookup = no",
    ];
    const peer = await startMta(BINARY, join(root, "idle"), 19_026, lines);
    await Bun.sleep(1500);
    const idle = pssMebibytes(peer.pid);
    console.log(`idle memory, ${processTree(peer.pid).length} processes (PSS)    ${idle.toFixed(1)} MiB`);
    const sockets = await openIdle(19_026, count);
    await Bun.sleep(1500);
    const loaded = pssMebibytes(peer.pid);
    console.log(
      `${count} idle connections (PSS)     ${(loaded - idle).toFixed(1)} MiB more, ${
        ((loaded - idle) * 1024 / count).toFixed(1)
      } KiB each`,
    );
    closeAll(sockets);
    await peer.stop();

    const table = join(root, "table");
    writeFileSync(table, Array.from({ length: 1000 }, (_, i) => `key${i} value${i}\n`).join(""));
    const config = join(root, "idle/etc");
    await run([BINARY, "-c", config, "postmap", `hash:${table}`]);
    const took = await commandTime([BINARY, "-c", config, "postmap", "-q", "key77", `hash:${table}`], 41);
    console.log(`mta postmap -q                    ${took.toFixed(1)} ms (median of 41, whole process)`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
