import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  banner,
  BINARY,
  freePort,
  runMta,
  type Server,
  type ServerOptions,
  startServer,
} from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";
import { endOf } from "../../kit/servers/ending.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { family } from "../../kit/memory/power.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

setDefaultTimeout(180_000);
const asRoot = withPeers(import.meta.path, "dist/mta", "root").test;

const running: Server[] = [];
async function server(options: ServerOptions = {}): Promise<Server> {
  const started = await startServer(options);
  running.push(started);
  return started;
}
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "mta-service-"));
  chmodSync(path, 0o755);
  return path;
}

whole("log_format = json gives one object a line, with the event's fields", async () => {
  const each = await server({ mainCf: ["log_format = json", "defer_transports = smtp"] });
  await sendMessage(each.port, { from: "a@b.example", to: "x@unreachable.invalid" });
  const line = await each.logged(/"event":"queueActive"/);
  expect(JSON.parse(line)).toMatchObject({
    program: "qmgr",
    level: "info",
    from: "a@b.example",
    nrcpt: 1,
    syslog_name: "postfix",
  });
  for (const text of each.log().trimEnd().split("\n")) expect(() => JSON.parse(text)).not.toThrow();
});

whole("a renamed maillog_file is followed by a new one at reload, and no line is lost", async () => {
  const file = join(mkdtempSync("/var/tmp/mta-log-"), "log"); // within maillog_file_prefixes
  const each = await server({ mainCf: [`maillog_file = ${file}`] });
  await banner(each.port);
  await until("first lines", () => existsSync(file) && readFileSync(file, "utf8").includes("postfix/smtpd"));
  renameSync(file, `${file}.1`);
  await each.mta("reload");
  await banner(each.port);
  await until("new file", () => existsSync(file) && readFileSync(file, "utf8").includes("connect from"));
  expect(readFileSync(`${file}.1`, "utf8")).toContain("daemon started");
  expect(readFileSync(file, "utf8")).toContain("reload -- version");
  rmSync(dirname(file), { recursive: true });
});

whole("a reload that fails does not leave the log open once more", async () => {
  const file = join(mkdtempSync("/var/tmp/mta-log-"), "log"); // within maillog_file_prefixes
  const each = await server({ mainCf: [`maillog_file = ${file}`] });
  const folder = `/proc/${each.pid}/fd`;
  const isLog = (fd: string) => {
    try {
      return readlinkSync(join(folder, fd)) === file;
    } catch {
      return false; // closed meanwhile
    }
  };
  const logs = () => readdirSync(folder).filter(isLog).length;
  expect(logs()).toBe(1);
  const stranger = createServer().listen(0, "127.0.0.1");
  const { port } = stranger.address() as AddressInfo;
  const taken = `127.0.0.1:${port} inet n - n - - smtpd\n`;
  writeFileSync(join(each.configDirectory, "master.cf"), taken);
  for (let tries = 0; tries < 5; tries++) {
    expect((await each.mta("reload")).stderr).toContain(`bind 127.0.0.1 port ${port}`);
  }
  stranger.close();
  expect(logs()).toBe(1);
  rmSync(dirname(file), { recursive: true });
});

asRoot("a reload during the start is carried out after it", async () => {
  const directory = temporary();
  const port = await freePort();
  writeFileSync(
    join(directory, "main.cf"),
    `compatibility_level = 3.6\nqueue_directory = ${directory}/q\ndata_directory = ${directory}/d\nmail_owner = daemon\n` +
      "inet_interfaces = 127.0.0.1\nmaillog_file = /dev/stdout\nworker_processes = 2\nhttp_listen =\n",
  );
  // An entry that is not served is warned of as the start begins: from then on signals are obeyed.
  writeFileSync(
    join(directory, "master.cf"),
    `127.0.0.1:${port} inet n - n - - smtpd\nold unix - n n - - spawn\n`,
  );
  const child = spawnTied(BINARY, ["-c", directory, "serve"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr!.on("data", (chunk) => log += chunk);
  child.stdout!.on("data", (chunk) => {
    if (log === "") child.kill("SIGHUP");
    log += chunk;
  });
  await until("reload", () => log.includes("reload -- version"));
  expect(log.indexOf("daemon started")).toBeLessThan(log.indexOf("reload -- version"));
  expect(log.indexOf("daemon started")).toBeGreaterThan(0);
  expect(log).not.toMatch(/error|fatal/);
  expect(await endOf(child)).toBe(0);
});

whole("a maillog_file outside maillog_file_prefixes is refused by name", async () => {
  const directory = temporary();
  writeFileSync(
    join(directory, "main.cf"),
    `compatibility_level = 3.6\nqueue_directory = ${directory}/q\ndata_directory = ${directory}/d\nmaillog_file = /etc/x.log\nhttp_listen =\n`,
  );
  writeFileSync(join(directory, "master.cf"), `${await freePort()} inet n - n - - smtpd\n`);
  const answer = await runMta(["-c", directory, "serve"]);
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain("maillog_file_prefixes");
});

asRoot("without root everything runs as the own user, and mail is taken", async () => {
  const directory = temporary();
  const port = await freePort();
  writeFileSync(
    join(directory, "main.cf"),
    [
      "compatibility_level = 3.6",
      `queue_directory = ${directory}/q`,
      `data_directory = ${directory}/d`,
      "inet_interfaces = 127.0.0.1",
      "maillog_file = /dev/stdout",
      "worker_processes = 2",
      "http_listen =",
      "mynetworks = 127.0.0.0/8",
      "defer_transports = smtp",
      "",
    ].join("\n"),
  );
  writeFileSync(
    join(directory, "master.cf"),
    `127.0.0.1:${port} inet n - n - - smtpd\nsmtp unix - - n - - smtp\n`,
  );
  chownSync(directory, 65_534, 65_534);
  const program = join(temporary(), "mta");
  spawnSync("cp", [BINARY, program]);
  const { MTA_BINARY: _ours, ...env } = process.env;
  const child = spawnTied(program, ["-c", directory, "serve"], {
    uid: 65_534,
    gid: 65_534,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stdout!.on("data", (chunk) => log += chunk);
  child.stderr!.on("data", (chunk) => log += chunk);
  await until(`banner\n${log}`, async () => (await banner(port)) !== undefined);
  expect(await sendMessage(port, { from: "a@b.example", to: "x@unreachable.invalid" })).toStartWith(
    "250 2.0.0 Ok",
  );
  expect(await endOf(child)).toBe(0);
});

whole("a queue directory that cannot be made is named, with the remedy", async () => {
  const directory = temporary();
  writeFileSync(
    join(directory, "main.cf"),
    "compatibility_level = 3.6\nqueue_directory = /proc/no/queue\nhttp_listen =\n",
  );
  const answer = await runMta(["-c", directory, "serve"]);
  expect(answer.code).toBe(1);
  expect(answer.stderr).toMatch(/fatal: .*\/proc\/no\/queue.*set queue_directory in main\.cf/);
});

asRoot(
  "as process 1 of a container it takes leave of orphans, and SIGTERM ends it with status 0",
  async () => {
    const probe = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]);
    if (probe.status !== 0) return;
    const directory = temporary();
    const port = await freePort();
    writeFileSync(
      join(directory, "main.cf"),
      `compatibility_level = 3.6\nqueue_directory = ${directory}/q\ndata_directory = ${directory}/d\ninet_interfaces = 127.0.0.1\n` +
        "maillog_file = /dev/stdout\nworker_processes = 1\nhttp_listen =\n",
    );
    writeFileSync(join(directory, "master.cf"), `127.0.0.1:${port} inet n - n - - smtpd\n`);
    const { MTA_BINARY: _ours, ...env } = process.env;
    // The shell leaves an orphan behind, then becomes the service: the orphan's end is process 1's to see to.
    const script = `(sleep 0.3 & sleep 0.4 &) ; exec ${BINARY} -c ${directory} serve`;
    const child = spawnTied("unshare", [
      "--pid",
      "--fork",
      "--mount-proc",
      "--kill-child",
      "sh",
      "-c",
      script,
    ], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await until("banner", async () => (await banner(port)) !== undefined);
    const [, master] = family(child.pid!);
    if (master === undefined) throw new Error("no process of the service");
    const isOrphan = (pid: number) => {
      try {
        return /\(sleep\)|\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
      } catch {
        return false; // it ended meanwhile
      }
    };
    await until("orphans reaped", () => !family(master).some(isOrphan));
    const exited = new Promise<number | null>((done) => child.on("exit", (code) => done(code)));
    process.kill(master, "SIGTERM");
    expect(await exited).toBe(0);
  },
);

whole("check tells what of the founding scenario's files does not mean what it seems to", async () => {
  const directory = temporary();
  writeFileSync(
    join(directory, "main.cf"),
    [
      "myhostname = mail.example.com",
      "mydomain = example.com",
      "myorigin = $mydomain",
      "mydestination = $mydomain",
      "inet_interfaces = all",
      "Mynetworks = 127.0.0.1 10.0.0.2/32 10.0.0.4/32",
      "relay_domains = $mydomain",
      `smtpd_sender_restrictions = permit_mynetworks, check_sender_access hash:${directory}/sender_access, permit`,
      `smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access hash:${directory}/recipient_access, reject`,
      "",
    ].join("\n"),
  );
  writeFileSync(join(directory, "sender_access"), "@monitor.stm.com OK\n* REJECT\n");
  writeFileSync(
    join(directory, "recipient_access"),
    "@smalltreemedia.com OK\n*@smalltreemedia.com OK\nwebmaster@example.com OK\n",
  );
  const answer = await runMta(["-c", directory, "check"]);
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain("did you mean mynetworks?");
  expect(answer.stderr).toContain(`${directory}/sender_access, line 2: key "*" never matches`);
  expect(answer.stderr).toContain(
    `${directory}/recipient_access, line 2: key "*@smalltreemedia.com" never matches: write "@smalltreemedia.com"`,
  );
  const json = JSON.parse((await runMta(["-c", directory, "check", "--json"])).stdout);
  expect(json.ok).toBe(true);
  expect(json.findings.length).toBeGreaterThan(2);
});

whole("check ends with status 1 where the service would not start, and names the parameter", async () => {
  const directory = temporary();
  writeFileSync(join(directory, "main.cf"), "compatibility_level = 3.6\nsmtpd_timeout = soon\n");
  const answer = await runMta(["-c", directory, "check"]);
  expect(answer.code).toBe(1);
  expect(answer.stderr).toMatch(/postfix: fatal: .*smtpd_timeout.*line 2/);
});

whole("clients of a postscreen entry reach the smtpd behind it, with a warning", async () => {
  const port = await freePort();
  const each = await server({
    masterCf: [
      `127.0.0.1:${port} inet n - n - 1 postscreen`,
      "smtpd pass - - n - - smtpd -o smtpd_banner=behind",
    ],
  });
  expect(await banner(port)).toBe("220 behind");
  expect(each.log()).toMatch(/warning: weaker: .*postscreen: clients go to the smtpd behind it/);
});

whole("a link named postfix is the same program", async () => {
  const each = await server();
  const folder = temporary();
  mkdirSync(join(folder, "bin"));
  symlinkSync(BINARY, join(folder, "bin/postfix"));
  const answer = spawnSync(join(folder, "bin/postfix"), ["-c", each.configDirectory, "status"], {
    env: { PATH: "/usr/bin" },
  });
  expect(answer.status).toBe(0);
  expect(answer.stderr.toString()).toBe(
    `postfix/postfix-script: the Postfix mail system is running: PID: ${each.pid}\n`,
  );
});

asRoot("a stranger may look at the queue but not stop the service", async () => {
  const each = await server();
  const program = join(temporary(), "mta");
  spawnSync("cp", [BINARY, program]);
  const as = (...words: string[]) =>
    spawnSync(program, ["-c", each.configDirectory, ...words], {
      uid: 65_534,
      gid: 65_534,
      env: { PATH: "/usr/bin" },
    });
  const stop = as("stop");
  expect([stop.status, stop.stderr.toString()]).toEqual([1, expect.stringContaining('may not use "stop"')]);
  const explained = as("explain", "--running", "--client", "192.0.2.7");
  expect([explained.status, explained.stderr.toString()]).toEqual([
    77,
    expect.stringContaining('may not use "explain"'),
  ]);
  expect(as("flush").status).toBe(0);
  expect(await banner(each.port)).toStartWith("220 ");
});
