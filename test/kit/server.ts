// Starts the compiled binary with given main.cf lines in a temporary directory, waits for its banner, stops it at the end.
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { endOf } from "./servers/ending.ts";
import { reachable } from "./servers/reachable.ts";
import { spawnTied } from "./servers/tied_child.ts";
import { until, untilFound } from "./waiting.ts";

/** The executable under test: dist/mta, or the one that MTA_BINARY names. */
export const BINARY = resolve(process.env.MTA_BINARY ?? join(import.meta.dirname, "../../dist/mta"));

/** Below those that the system gives out by itself, to clients among others (net.ipv4.ip_local_port_range). */
const [FIRST_PORT, LAST_PORT] = [12_000, 32_000];
let lastPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));

/** A TCP port of 127.0.0.1 that is free, and is not given out again soon, by nobody. */
export async function freePort(): Promise<number> {
  for (;;) {
    lastPort = lastPort >= LAST_PORT ? FIRST_PORT : lastPort + 1;
    const port = lastPort;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer().once("error", () => done(false));
    probe.listen(port, "0.0.0.0", () => probe.close(() => done(true)));
  });
}

/** What a finished command left. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment for the executable: ours without MTA_BINARY, which is no parameter. */
function environmentWith(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { MTA_BINARY: _ours, ...rest } = process.env;
  return { ...rest, ...more };
}

/** Runs the executable with arguments and waits for its end. */
export function runMta(
  args: readonly string[],
  options: {
    readonly input?: string | Uint8Array;
    readonly env?: Record<string, string>;
    readonly cwd?: string;
  } = {},
): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawnTied(BINARY, args, { cwd: options.cwd, env: environmentWith(options.env) });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout!.on("data", (chunk) => out.push(chunk));
    child.stderr!.on("data", (chunk) => err.push(chunk));
    child.stdin!.on("error", () => {});
    child.stdin!.end(options.input ?? "");
    child.on("error", fail);
    child.on(
      "close",
      (code) => done({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

/** The user that workers run as under root: Postfix's where there is one. */
export function mailOwner(): string {
  return userExists("postfix") ? "postfix" : "mail";
}

/** How to start a server. */
export interface ServerOptions {
  /** Lines of main.cf, after the kit's own (so they win). */
  readonly mainCf?: readonly string[];
  /** Lines of master.cf put after the kit's own; `PORT` stands for the port of the kit's smtpd. */
  readonly masterCf?: readonly string[];
  /** `-o name=value` lines for the kit's smtpd. */
  readonly smtpdOptions?: readonly string[];
  /** Files to write below the configuration directory, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments before `serve`. */
  readonly args?: readonly string[];
  /** Most open files of each process; root may not raise it either. */
  readonly openFiles?: number;
  /** Start again in the directory of an earlier server (its files, its queue). */
  readonly directory?: string;
}

/** A running server. */
export interface Server {
  readonly port: number;
  readonly pid: number;
  /** Holds config/, queue/, data/ and mail/. */
  readonly directory: string;
  readonly configDirectory: string;
  readonly queueDirectory: string;
  /** Everything logged so far. */
  log(): string;
  /** Resolves with the first line of the log that matches, when there is one. */
  logged(pattern: RegExp): Promise<string>;
  /** Runs `mta -c CONFIG ...`. */
  mta(...args: string[]): Promise<Finished>;
  signal(name: NodeJS.Signals): void;
  /** Writes main.cf anew: the kit's lines, then these. */
  writeMainCf(lines: readonly string[]): void;
  /** Resolves with the exit status (null when killed). */
  readonly exited: Promise<number | null>;
  /** SIGTERM, waits for the end, removes the directory (unless `keep`). */
  stop(options?: { readonly keep?: boolean }): Promise<number | null>;
}

/** The usual services of master.cf. */
const SERVICES = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`;

function userExists(name: string): boolean {
  return new RegExp(`^${name}:`, "m").test(readFileSync("/etc/passwd", "utf8"));
}

function baseMainCf(directory: string): string[] {
  const owner = process.getuid!() !== 0 ? [] : [`mail_owner = ${mailOwner()}`];
  return [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    "mydomain = example.com",
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "mynetworks = 127.0.0.0/8",
    "login_failure_exceptions = 127.0.0.0/8",
    "maillog_file = /dev/stdout",
    "worker_processes = 1",
    "http_listen =",
    "alias_maps =",
    "alias_database =",
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    `mail_spool_directory = ${directory}/mail`,
    ...owner,
  ];
}

function prepare(options: ServerOptions, port: number): string {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "mta-test-"));
  chmodSync(directory, 0o755);
  for (const name of ["config", "queue", "data", "mail"]) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  chmodSync(join(directory, "mail"), 0o1777);
  const config = join(directory, "config");
  const smtpd = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    ...(options.smtpdOptions ?? []).map((o) => `  -o ${o}`),
  ];
  const more = (options.masterCf ?? []).map((line) => line.replaceAll("PORT", String(port)));
  writeFileSync(
    join(config, "main.cf"),
    [...baseMainCf(directory), ...(options.mainCf ?? []), ""].join("\n"),
  );
  writeFileSync(join(config, "master.cf"), [...smtpd, SERVICES.trimEnd(), ...more, ""].join("\n"));
  for (const [name, text] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(config, name)), { recursive: true });
    writeFileSync(join(config, name), text);
  }
  return directory;
}

/** Reads a server's banner: resolves with its first line, or undefined when nobody answers. */
export function banner(port: number, host = "127.0.0.1"): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = connect({ port, host });
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) socket.end("QUIT\r\n", () => done(text.split("\r\n")[0]));
    });
    socket.on("error", () => done(undefined));
    socket.on("close", () => done(undefined));
    socket.setTimeout(60_000, () => socket.destroy());
  });
}

/** Waits until it greets; one that ends instead, or never does, is an error with its log. */
async function untilBanner(port: number, child: ChildProcess, log: () => string): Promise<void> {
  const greets = async () => {
    if (await banner(port) !== undefined) return true;
    const ended = child.exitCode ?? child.signalCode;
    if (ended !== null) throw new Error(`the server ended with ${ended}:\n${log()}`);
    return false;
  };
  try {
    await until(() => `a banner on port ${port}:\n${log()}`, greets);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** The command with a limit on open files that holds for root too, which could raise it (CAP_SYS_RESOURCE). */
function limited(command: readonly string[], { openFiles }: ServerOptions): readonly string[] {
  if (openFiles === undefined) return command;
  const root = process.getuid!() === 0 ? ["setpriv", "--bounding-set=-sys_resource"] : [];
  return [...root, "prlimit", `--nofile=${openFiles}:${openFiles}`, ...command];
}

/** Starts the compiled binary in the foreground and waits until it greets. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const port = await freePort();
  const directory = prepare(options, port);
  const configDirectory = join(directory, "config");
  const [program, ...args] = limited(
    [BINARY, ...(options.args ?? []), "-c", configDirectory, "serve"],
    options,
  );
  const child = spawnTied(program!, args, {
    env: environmentWith(options.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((done) => child.on("exit", (code) => done(code)));
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (chunk) => text += chunk);
  }
  const log = () => text;
  await untilBanner(port, child, log);
  // What answers questions is opened when mail is served already.
  const control = join(directory, "queue/control/socket");
  const elsewhere = options.mainCf?.some((line) => line.startsWith("queue_directory")) === true;
  const opened = () => existsSync(control) || / control socket: /.test(text) || child.exitCode !== null;
  if (!elsewhere) await until("the control socket", opened);
  for (const line of options.mainCf ?? []) {
    const http = /^http_listen = 127\.0\.0\.1:(\d+)$/.exec(line);
    if (http !== null) await reachable(Number(http[1]));
  }
  return {
    port,
    pid: child.pid!,
    directory,
    configDirectory,
    queueDirectory: join(directory, "queue"),
    log,
    exited,
    mta: (...args) => runMta(["-c", configDirectory, ...args]),
    signal: (name) => void child.kill(name),
    writeMainCf: (lines) =>
      writeFileSync(join(configDirectory, "main.cf"), [...baseMainCf(directory), ...lines, ""].join("\n")),
    logged(pattern) {
      const end = () => text.split("\n").slice(-40).join("\n");
      const line = () => text.split("\n").find((candidate) => pattern.test(candidate));
      return untilFound(() => `${pattern} in the log, which ends:\n${end()}`, line);
    },
    async stop({ keep = false } = {}) {
      const code = await endOf(child);
      if (!keep) rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
}
