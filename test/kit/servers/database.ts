// PostgreSQL and MariaDB servers for tests (packages postgresql and mariadb-server): a temporary folder, a loopback port and a
// unix socket of their own. Neither runs as root: root starts them as the users that the packages make.
import { type ChildProcess, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../server.ts";
import { spawnTied } from "./tied_child.ts";
import { until } from "../waiting.ts";

/** A running database server. */
export interface Database {
  readonly folder: string;
  readonly port: number;
  /** Path of the socket; for PostgreSQL the folder it is in. */
  readonly socket: string;
  /** Certificate of the server, which signed itself, for `localhost` and 127.0.0.1. */
  readonly certificate: string;
  /** Runs statements as the administrator; throws what the client says. */
  sql(text: string): void;
  /** Ends the server at once (SIGKILL); the data stay. */
  kill(): Promise<void>;
  /** Starts it again at the same places. */
  start(): Promise<void>;
  /** Stops (SIGSTOP) or resumes it: connections are taken by the kernel, nobody answers. */
  freeze(on: boolean): void;
  /** Ends it and removes the folder. */
  stop(): Promise<void>;
}

interface Kind {
  readonly user: string;
  readonly needs: string;
  readonly program: string;
  /** Prepares the data folder. */
  readonly prepare: readonly string[];
  readonly serve: readonly string[];
  readonly client: readonly string[];
  readonly ready: string;
}

function need(path: string | undefined, packages: string): string {
  if (path === undefined || !fs.existsSync(path)) {
    throw new Error(`this test needs the Debian package ${packages}`);
  }
  return path;
}

/** Newest version below /usr/lib/postgresql. */
function postgresFolder(): string {
  const root = need("/usr/lib/postgresql", "postgresql");
  const versions = fs.readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return join(root, versions[0]!, "bin");
}

/** PostgreSQL; `settings` are lines of postgresql.conf, `access` of pg_hba.conf (default: everybody, without password). */
export async function startPostgres(
  options: { readonly settings?: readonly string[]; readonly access?: readonly string[] } = {},
): Promise<Database> {
  const bin = postgresFolder();
  const [folder, port] = [makeFolder("pg"), await freePort()];
  const data = join(folder, "data");
  const settings = options.settings ?? [];
  return await launch(folder, port, folder, {
    user: "postgres",
    needs: "postgresql",
    program: join(bin, "postgres"),
    prepare: [
      join(bin, "initdb"),
      ...["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions"],
      ...["-E", "UTF8", "--locale=C.UTF-8"],
    ],
    serve: [
      ...[
        "-D",
        data,
        "-k",
        folder,
        "-p",
        String(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "fsync=off",
      ],
      // Each postmap of a table of tests that run at once has a connection of its own.
      ...["-c", "shared_buffers=16MB", "-c", "logging_collector=off", "-c", "max_connections=500"],
      ...settings.flatMap((setting) => ["-c", setting]),
    ],
    client: [
      join(bin, "psql"),
      ...["-h", folder, "-p", String(port), "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1"],
    ],
    ready: join(folder, `.s.PGSQL.${port}`),
  }, () => {
    // The port is in the socket's name, and nothing in a query file says which.
    fs.symlinkSync(`.s.PGSQL.${port}`, join(folder, ".s.PGSQL.5432"));
    if (options.access !== undefined) {
      fs.writeFileSync(join(data, "pg_hba.conf"), options.access.join("\n") + "\n");
    }
  });
}

/** MariaDB; `settings` are options of the server. */
export async function startMariadb(
  options: { readonly settings?: readonly string[] } = {},
): Promise<Database> {
  const [folder, port] = [makeFolder("my"), await freePort()];
  const data = join(folder, "data");
  const socket = join(folder, "my.sock");
  return await launch(folder, port, socket, {
    user: "mysql",
    needs: "mariadb-server",
    program: "/usr/sbin/mariadbd",
    prepare: [
      "/usr/bin/mariadb-install-db",
      ...["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db"],
    ],
    serve: [
      ...["--no-defaults", `--datadir=${data}`, `--socket=${socket}`, `--port=${port}`],
      ...["--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-buffer-pool-size=16M"],
      "--max-connections=500",
      ...["--innodb-flush-log-at-trx-commit=2", "--innodb-log-file-size=4M"],
      ...(options.settings ?? []),
    ],
    client: [
      "/usr/bin/mariadb",
      "--no-defaults",
      `--socket=${socket}`,
      "--user=root",
      "--default-character-set=utf8mb4",
    ],
    ready: socket,
  });
}

function makeFolder(name: string): string {
  const folder = fs.mkdtempSync(join(tmpdir(), `${name}-`));
  fs.chmodSync(folder, 0o755);
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", join(folder, "server.key"), "-out", join(folder, "server.pem")],
  ], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl: ${made.error?.message ?? made.stderr}`);
  fs.chmodSync(join(folder, "server.key"), 0o600);
  return folder;
}

/** The package's user when we are root, else ourselves. */
function identityOf(kind: Kind): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const line = fs.readFileSync("/etc/passwd", "utf8").split("\n").find((each) =>
    each.startsWith(`${kind.user}:`)
  );
  if (line === undefined) {
    throw new Error(`this test needs the Debian package ${kind.needs} (user ${kind.user})`);
  }
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

async function launch(
  folder: string,
  port: number,
  socket: string,
  kind: Kind,
  beforeStart: () => void = () => {},
): Promise<Database> {
  need(kind.program, kind.needs);
  const identity = identityOf(kind);
  if (identity.uid !== undefined) {
    for (const each of [folder, join(folder, "server.key"), join(folder, "server.pem")]) {
      fs.chownSync(each, identity.uid, identity.gid!);
    }
  }
  const [program, ...args] = kind.prepare;
  const prepared = spawnSync(program!, args, { cwd: folder, encoding: "utf8", ...identity });
  if (prepared.status !== 0) throw new Error(`${program}: ${prepared.error?.message ?? prepared.stderr}`);
  beforeStart();
  let child: ChildProcess | undefined;
  const start = async () => {
    fs.rmSync(kind.ready, { force: true });
    const log = fs.openSync(join(folder, "log"), "a");
    child = spawnTied(kind.program, kind.serve, {
      cwd: folder,
      stdio: ["ignore", log, log],
      ...identity,
    });
    fs.closeSync(log);
    await untilReady(kind, folder, () => child?.exitCode === null);
  };
  const end = async (signal: NodeJS.Signals) => {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((done) => ending.once("exit", done));
    ending.kill("SIGCONT");
    ending.kill(signal);
    await gone;
  };
  // A killed parent would leave PostgreSQL's other processes behind for a moment; this signal ends them all at once.
  const atOnce = kind.user === "postgres" ? "SIGQUIT" : "SIGKILL";
  await start();
  return {
    folder,
    port,
    socket,
    certificate: join(folder, "server.pem"),
    sql(text) {
      const [client, ...clientArgs] = kind.client;
      const { status, stderr, error } = spawnSync(client!, clientArgs, { input: text, encoding: "utf8" });
      if (status !== 0) throw new Error(`${client}: ${error?.message ?? stderr}`);
    },
    kill: () => end(atOnce),
    start,
    freeze(on) {
      for (const pid of [child!.pid!, ...childrenOf(child!.pid!)]) {
        process.kill(pid, on ? "SIGSTOP" : "SIGCONT");
        while (on && !allStopped(pid)) { /* the threads of a process stop one after the other */ }
      }
    },
    async stop() {
      await end(atOnce);
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

function allStopped(pid: number): boolean {
  return fs.readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\nState:\t[TtZ]/.test(fs.readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"))
  );
}

function childrenOf(parent: number): number[] {
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/status`, "utf8").includes(`\nPPid:\t${parent}\n`);
    } catch {
      return false;
    }
  });
}

async function untilReady(kind: Kind, folder: string, alive: () => boolean): Promise<void> {
  const [client, ...args] = kind.client;
  const why = () => `start of ${kind.program}:\n${fs.readFileSync(join(folder, "log"), "utf8").slice(-2000)}`;
  await until(why, () => {
    if (!alive()) throw new Error(`no ${why()}`);
    if (!fs.existsSync(kind.ready)) return false;
    return spawnSync(client!, args, { input: "select 1;", stdio: ["pipe", "ignore", "ignore"] }).status === 0;
  });
}
