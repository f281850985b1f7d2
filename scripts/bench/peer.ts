// What is measured: a mail server started from the same main.cf in a directory of its own.
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

/** A running server. */
export interface Peer {
  readonly name: "postfix" | "mta";
  readonly port: number;
  /** Root of its process tree. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** main.cf lines that both get. */
export type MainCf = readonly string[];

const COMMON = [
  "compatibility_level = 3.6",
  "myhostname = mail.example.com",
  "mydestination =",
  "inet_interfaces = 127.0.0.1",
  "inet_protocols = ipv4",
  "mynetworks = 127.0.0.0/8",
  "smtpd_relay_restrictions = permit_mynetworks, reject",
  "alias_maps =",
  "smtpd_client_connection_count_limit = 0",
];

const SERVICES = [
  ["pickup", "unix", "n - n 60 1 pickup"],
  ["cleanup", "unix", "n - n - 0 cleanup"],
  ["qmgr", "unix", "n - n 300 1 qmgr"],
  ["rewrite", "unix", "- - n - - trivial-rewrite"],
  ["bounce", "unix", "- - n - 0 bounce"],
  ["defer", "unix", "- - n - 0 bounce"],
  ["trace", "unix", "- - n - 0 bounce"],
  ["verify", "unix", "- - n - 1 verify"],
  ["flush", "unix", "n - n 1000? 0 flush"],
  ["proxymap", "unix", "- - n - - proxymap"],
  ["smtp", "unix", "- - n - - smtp"],
  ["relay", "unix", "- - n - - smtp"],
  ["error", "unix", "- - n - - error"],
  ["retry", "unix", "- - n - - error"],
  ["discard", "unix", "- - n - - discard"],
  ["local", "unix", "- n n - - local"],
  ["anvil", "unix", "- - n - 1 anvil"],
  ["scache", "unix", "- - n - 1 scache"],
  ["postlog", "unix-dgram", "n - n - 1 postlogd"],
] as const;

function masterCf(port: number, more: readonly string[]): string {
  const rows = SERVICES.map(([name, type, rest]) => `${name} ${type} ${rest}`);
  return [`127.0.0.1:${port} inet n - n - - smtpd`, ...rows, ...more, ""].join("\n");
}

/** Waits until a greeting comes. */
export async function waitForBanner(port: number, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const greeted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("data", () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
    if (greeted) return;
    await Bun.sleep(5);
  }
  throw new Error(`no greeting on port ${port} within ${milliseconds} ms`);
}

/** Starts the installed Postfix with a private configuration, queue and log; `services` are further lines of master.cf. */
export async function startPostfix(
  directory: string,
  port: number,
  lines: MainCf,
  services: readonly string[] = [],
): Promise<Peer> {
  const config = join(directory, "etc");
  for (const folder of [config, join(directory, "queue"), join(directory, "data")]) {
    mkdirSync(folder, { recursive: true });
  }
  const log = `/var/log/mta-bench-${port}.log`;
  const main = [
    ...COMMON,
    ...lines,
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    "command_directory = /usr/sbin",
    "daemon_directory = /usr/lib/postfix/sbin",
    "mail_owner = postfix",
    "setgid_group = postdrop",
    `maillog_file = ${log}`,
    "",
  ];
  writeFileSync(join(config, "main.cf"), main.join("\n"));
  writeFileSync(join(config, "master.cf"), masterCf(port, services));
  for (const folder of [directory, config]) chmodSync(folder, 0o755);
  chownSync(join(directory, "data"), idOf("postfix"), 0);
  await run(["postfix", "-c", config, "start"]);
  await waitForBanner(port, 60_000);
  const pid = Number(readFileSync(join(directory, "queue/pid/master.pid"), "utf8").trim());
  const stop = async () => {
    await run(["postfix", "-c", config, "stop"]);
    rmSync(log, { force: true });
  };
  return { name: "postfix", port, pid, stop };
}

/** Starts our binary with the same configuration, queue and log in a directory of its own. */
export async function startMta(
  binary: string,
  directory: string,
  port: number,
  lines: MainCf,
  services: readonly string[] = [],
): Promise<Peer> {
  const config = join(directory, "etc");
  for (const folder of [config, join(directory, "queue"), join(directory, "data")]) {
    mkdirSync(folder, { recursive: true });
  }
  const owner = process.getuid?.() === 0 ? "nobody" : (process.env.USER ?? "nobody");
  const main = [
    ...COMMON,
    ...lines,
    `queue_directory = ${directory}/queue`,
    `data_directory = ${directory}/data`,
    `mail_owner = ${owner}`,
    "default_privs = daemon",
    `maillog_file = ${directory}/mail.log`,
    "maillog_file_prefixes = /",
    "http_listen =",
    "",
  ];
  writeFileSync(join(config, "main.cf"), main.join("\n"));
  writeFileSync(join(config, "master.cf"), masterCf(port, services));
  for (const folder of [directory, config, join(directory, "queue"), join(directory, "data")]) {
    chmodSync(folder, 0o755);
  }
  if (process.getuid?.() === 0) {
    for (const name of ["queue", "data"]) chownSync(join(directory, name), idOf(owner), 0);
  }
  const child = Bun.spawn([binary, "-c", config, "serve"], {
    stdout: "ignore",
    stderr: Bun.file(join(directory, "stderr.log")),
  });
  try {
    await waitForBanner(port, 60_000);
  } catch (error) {
    child.kill();
    throw new Error(`${(error as Error).message}\n${readFileSync(join(directory, "stderr.log"), "utf8")}`);
  }
  const stop = async () => {
    child.kill("SIGTERM");
    await child.exited;
  };
  return { name: "mta", port, pid: child.pid, stop };
}

function idOf(user: string): number {
  const row = readFileSync("/etc/passwd", "utf8").split("\n").find((line) => line.startsWith(`${user}:`));
  if (row === undefined) throw new Error(`no user ${user} on this machine`);
  return Number(row.split(":")[2]);
}

/** Runs a command to its end; a failure throws what it said. */
export async function run(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (await child.exited !== 0) throw new Error(`${command.join(" ")}: ${err || out}`);
  return out;
}

/** Resolves when something listens there; rejects after half a minute. */
export async function waitForPort(port: number): Promise<void> {
  for (const end = performance.now() + 30_000;; await Bun.sleep(20)) {
    try {
      (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
