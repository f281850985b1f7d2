// Starts the compiled binary with given main.cf lines in a temporary directory, waits for its banner, stops it at the end.
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { reachable } from "./servers/reachable.ts";
import { spawnTied } from "./servers/tied_child.ts";
import { pause } from "./waiting.ts";

/** The executable under test: dist/mta, or the one that MTA_BINARY names. */
export const BINARY = resolve(process.env.MTA_BINARY ?? join(import.meta.dirname, "../../dist/mta"));

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer().once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
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
  /** Milliseconds to wait for the banner; default 10 s. */
  readonly patience?: number;
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
  /** Resolves when the log has a line that matches; rejects after the patience (default 30 s). */
  logged(pattern: RegExp, patience?: number): Promise<string>;
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
    socket.setTimeout(5000, () => socket.destroy());
  });
}

async function untilBanner(
  port: number,
  child: ChildProcess,
  log: () => string,
  patience: number,
): Promise<void> {
  const deadline = Date.now() + patience;
  while (await banner(port) === undefined) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}:\n${log()}`);
    }
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`no banner on port ${port}:\n${log()}`);
    }
    await pause(3);
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
  await untilBanner(port, child, log, options.patience ?? 30_000);
  // What answers questions is opened when mail is served already.
  const control = join(directory, "queue/control/socket");
  for (const end = Date.now() + 2000; !existsSync(control) && Date.now() < end;) await pause(3);
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
    async logged(pattern, patience = 30_000) {
      for (const deadline = Date.now() + patience; Date.now() < deadline; await pause(10)) {
        const line = text.split("\n").find((candidate) => pattern.test(candidate));
        if (line !== undefined) return line;
      }
      throw new Error(`${pattern} not in the log, which ends:\n${text.split("\n").slice(-40).join("\n")}`);
    },
    async stop({ keep = false } = {}) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
      const code = await exited;
      clearTimeout(timer);
      if (!keep) rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
}
