// memcached and Redis servers for tests (packages memcached and redis-server): loopback ports of their own, nothing on disk.
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./reachable.ts";
import { freePort } from "../server.ts";
import { spawnTied } from "./tied_child.ts";
import { until } from "../waiting.ts";

/** A running cache server. */
export interface CacheServer {
  readonly port: number;
  /** Its unix socket. */
  readonly socket: string;
  /** Sends bytes (one a character) and resolves with what comes back until `until` matches. */
  talk(text: string, until: RegExp): Promise<string>;
  /** Ends it at once; what it had is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops (SIGSTOP) or resumes it: connections are taken by the kernel, nobody answers. */
  freeze(on: boolean): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** A memcached, as the user that the test runs as. */
export async function startMemcached(): Promise<CacheServer> {
  const user = process.getuid?.() === 0 ? ["-u", "root"] : [];
  const port = await freePort();
  return launch(
    "/usr/bin/memcached",
    "memcached",
    port,
    () => ["-l", "127.0.0.1", "-p", String(port), "-U", "0", ...user],
  );
}

/** A Redis server; `options` are words of its command line, in which `FOLDER` stands for its folder. */
export async function startRedis(options: readonly string[] = []): Promise<CacheServer> {
  const port = await freePort();
  return launch("/usr/bin/redis-server", "redis-server", port, (folder) => [
    ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    ...["--unixsocket", join(folder, "socket"), "--dir", folder],
    ...options.map((word) => word.replace("FOLDER", folder)),
  ]);
}

async function launch(
  program: string,
  needs: string,
  port: number,
  args: (folder: string) => readonly string[],
): Promise<CacheServer> {
  if (!existsSync(program)) throw new Error(`this test needs the Debian package ${needs}`);
  const folder = mkdtempSync(join(tmpdir(), `${needs}-`));
  chmodSync(folder, 0o755);
  let child: ChildProcess | undefined;
  const start = async () => {
    child = spawnTied(program, args(folder), { stdio: "ignore" });
    await until(`start of ${needs}`, () => answers(port));
  };
  const kill = async () => {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((done) => ending.once("exit", done));
    ending.kill("SIGKILL");
    await gone;
  };
  await start();
  return {
    port,
    socket: join(folder, "socket"),
    talk: (text, until) => talk(port, text, until),
    kill,
    start,
    freeze: (on) => void child?.kill(on ? "SIGSTOP" : "SIGCONT"),
    async stop() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function talk(port: number, text: string, until: RegExp): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, "127.0.0.1");
    let got = "";
    socket.setEncoding("latin1");
    socket.on("error", fail);
    socket.on("data", (chunk) => {
      got += chunk;
      if (until.test(got)) socket.end(() => done(got));
    });
    socket.write(text, "latin1");
  });
}
