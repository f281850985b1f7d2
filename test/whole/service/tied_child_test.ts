// What a test has started ends with the run, whatever ends the run.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta");

const KIT = join(import.meta.dirname, "../../kit/server.ts");

test(
  "a server and its workers end when the run that started them is killed",
  async () => {
    const script = `
    const { startServer } = await import(${JSON.stringify(KIT)});
    const { pid, directory, mta } = await startServer({ mainCf: ["worker_processes = 2"] });
    const { workers } = JSON.parse((await mta("status", "--json")).stdout);
    console.log(JSON.stringify({ directory, pids: [pid, ...workers.map((each) => each.pid)] }));
    process.kill(process.pid, "SIGKILL");`;
    const run = spawnSync(process.execPath, ["--no-install", "-e", script], { encoding: "utf8" });
    expect([run.signal, run.stderr]).toEqual(["SIGKILL", ""]);
    const { directory, pids } = JSON.parse(run.stdout);
    const left = () => pids.filter((pid: number) => existsSync(`/proc/${pid}`));
    expect(pids).toHaveLength(3);
    await until(() => `the end of ${left()}`, () => left().length === 0);
    rmSync(directory, { recursive: true });
  },
);
