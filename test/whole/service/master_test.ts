import { expect, setDefaultTimeout } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkExposition } from "../../kit/prometheus.ts";
import {
  banner,
  freePort,
  mailOwner,
  runMta,
  type Server,
  type ServerOptions,
  startServer,
} from "../../kit/server.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { pause, processorTime, startWatch, until } from "../../kit/waiting.ts";

const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

setDefaultTimeout(180_000);
const running: Server[] = [];
async function server(options: ServerOptions = {}): Promise<Server> {
  const started = await startServer(options);
  running.push(started);
  return started;
}
afterEach(async () => {
  for (const each of running.splice(0)) await each.stop();
});

interface Status {
  readonly pid: number;
  readonly running: boolean;
  readonly workers: readonly {
    readonly pid: number;
    readonly state: string;
    readonly restarts: number;
  }[];
  readonly draining: readonly unknown[];
}

async function status(of: Server): Promise<Status> {
  return JSON.parse((await of.mta("status", "--json")).stdout);
}

/** Connects over and over until told to stop; counts refusals and answers. */
function connectLoop(port: number) {
  let going = true;
  const result = { greeted: 0, refused: 0, broken: 0 };
  const one = async () => {
    while (going) {
      const client = await talk(port).catch((error) => {
        if (error.code === "ECONNREFUSED") result.refused++;
        else result.broken++;
        return undefined;
      });
      if (client === undefined) continue;
      if (client.greeting.startsWith("220")) result.greeted++;
      await client.say("QUIT").catch(() => {});
      client.end();
    }
  };
  const loops = Promise.all(Array.from({ length: 4 }, one));
  return {
    greeted: () => result.greeted,
    async stop() {
      going = false;
      await loops;
      return result;
    },
  };
}

whole(
  "has greeted, with master and worker started, before it has had a second of the processor",
  async () => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const each = await startServer();
      const { workers } = await status(each);
      const pids = [each.pid, ...workers.map(({ pid }) => pid)];
      times.push(pids.reduce((sum, pid) => sum + processorTime(pid), 0));
      await each.stop();
    }
    expect(Math.min(...times)).toBeLessThan(1);
  },
);

whole("no thread of a worker is root, nor has any group but mail_owner's", async () => {
  if (process.getuid!() !== 0) return;
  const each = await server();
  const { workers } = await status(each);
  const owner = Number(
    new RegExp(`^${mailOwner()}:[^:]*:(\\d+):`, "m").exec(readFileSync("/etc/passwd", "utf8"))?.[1],
  );
  for (const { pid } of workers) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
      expect(/^Uid:\t(.*)$/m.exec(text)![1]!.split("\t").map(Number)).toEqual([owner, owner, owner, owner]);
      expect(/^Gid:\t(.*)$/m.exec(text)![1]!.split("\t")).not.toContain("0");
      expect(/^Groups:\t(.*)$/m.exec(text)![1]!.trim()).toBe("");
      expect(/^CapEff:\t(.*)$/m.exec(text)![1]).toBe("0000000000000000");
    }
  }
});

whole("a second start is refused, naming who runs and the lock", async () => {
  const each = await server();
  const second = await each.mta("serve");
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("fatal: the Postfix mail system is already running");
  expect(second.stderr).toContain(String(each.pid));
  expect(second.stderr).toContain("master.pid");
  const start = await each.mta("start");
  expect([start.code, start.stderr]).toEqual([
    1,
    "postfix/postfix-script: fatal: the Postfix mail system is already running\n",
  ]);
});

whole("a pid file left by a dead process is no obstacle", async () => {
  const each = await server();
  process.kill(each.pid, "SIGKILL");
  await each.exited;
  running.pop();
  await until("workers gone", async () => (await banner(each.port)) === undefined);
  const again = await server({ directory: each.directory });
  expect((await status(again)).running).toBe(true);
});

whole("a port that is taken is named, and the start fails", async () => {
  const each = await server();
  const directory = mkdtempSync(join(tmpdir(), "mta-taken-"));
  chmodSync(directory, 0o755);
  writeFileSync(
    join(directory, "main.cf"),
    `compatibility_level = 3.6\nqueue_directory = ${directory}/q\ndata_directory = ${directory}/d\ninet_interfaces = 127.0.0.1\nhttp_listen =\nmaillog_file = /dev/stdout\n`,
  );
  writeFileSync(join(directory, "master.cf"), `${each.port} inet n - n - - smtpd\n`);
  const second = await runMta(["-c", directory, "serve"]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`fatal: bind 127.0.0.1 port ${each.port}: Address already in use`);
});

whole("a killed worker is started again; nobody is refused and accepted mail is still there", async () => {
  const each = await server({ mainCf: ["defer_transports = smtp"] });
  expect(await sendMessage(each.port, { from: "a@b.example", to: "x@unreachable.invalid" })).toStartWith(
    "250 2.0.0 Ok: queued as",
  );
  const before = await status(each);
  const loop = connectLoop(each.port);
  process.kill(before.workers[0]!.pid, "SIGKILL");
  await until("restart", async () => {
    const { workers } = await status(each);
    return workers[0]!.state === "ready" && workers[0]!.pid !== before.workers[0]!.pid;
  });
  const sofar = loop.greeted();
  await until("clients are greeted by the new one", () => loop.greeted() > sofar);
  const { greeted, refused } = await loop.stop();
  expect(refused).toBe(0);
  expect(greeted).toBeGreaterThan(0);
  await each.logged(/postfix\/master\[\d+\]: warning: process mta: worker pid \d+ killed by signal SIGKILL/);
  await each.logged(/queue: 1 messages \(\d+ bytes\) found after restart/);
});

whole("a reload under load refuses nobody, and serves the new configuration", async () => {
  const each = await server({ mainCf: ["smtpd_banner = old"] });
  const before = await status(each);
  const loop = connectLoop(each.port);
  await until("clients are greeted", () => loop.greeted() > 0);
  each.writeMainCf(["smtpd_banner = new"]);
  const reload = await each.mta("reload");
  expect([reload.code, reload.stderr]).toEqual([
    0,
    "postfix/postfix-script: refreshing the Postfix mail system\n",
  ]);
  await until("new banner", async () => (await banner(each.port)) === "220 new");
  await until("old workers gone", async () => (await status(each)).draining.length === 0);
  const sofar = loop.greeted();
  await until("clients are greeted by the new ones", () => loop.greeted() > sofar + 10);
  const result = await loop.stop();
  expect([result.refused, result.broken]).toEqual([0, 0]);
  expect(result.greeted).toBeGreaterThan(10);
  expect((await status(each)).workers[0]!.pid).not.toBe(before.workers[0]!.pid);
  await each.logged(/postfix\/master\[\d+\]: reload -- version 3\.7\.11, configuration /);
});

whole("a bad configuration is reported, and the old workers go on", async () => {
  const each = await server({ mainCf: ["smtpd_banner = old"] });
  const before = await status(each);
  each.writeMainCf(["smtpd_banner = new", "smtpd_timeout = soon"]);
  const reload = await each.mta("reload");
  expect(reload.code).toBe(1);
  expect(reload.stderr).toContain("smtpd_timeout");
  expect(await banner(each.port)).toBe("220 old");
  expect((await status(each)).workers.map(({ pid }) => pid)).toEqual(before.workers.map(({ pid }) => pid));
  each.signal("SIGHUP");
  await each.logged(/error: reload failed, the running configuration stays in force: .*smtpd_timeout/);
  expect(await banner(each.port)).toBe("220 old");
});

whole("a reload opens new listeners and closes those that went", async () => {
  const each = await server();
  const port = await freePort();
  const master = join(each.configDirectory, "master.cf");
  const old = readFileSync(master, "utf8");
  writeFileSync(master, `${old}127.0.0.1:${port} inet n - n - - smtpd\n`);
  expect((await each.mta("reload")).code).toBe(0);
  expect(await banner(port)).toStartWith("220 ");
  writeFileSync(master, old);
  expect((await each.mta("reload")).code).toBe(0);
  await until("listener gone", async () => (await banner(port)) === undefined);
  expect(await banner(each.port)).toStartWith("220 ");
});

whole("mail of the old workers is taken over by the new ones", async () => {
  const each = await server({ mainCf: ["defer_transports = smtp"] });
  await sendMessage(each.port, { from: "a@b.example", to: "x@unreachable.invalid" });
  const listed = async () => JSON.stringify(JSON.parse((await ask(each, "counts"))!));
  const before = await listed();
  expect((await each.mta("reload")).code).toBe(0);
  await until(
    "adopted",
    async () => (await status(each)).draining.length === 0 && (await listed()) === before,
  );
});

/** Asks the control socket directly. */
function ask(of: Server, verb: string): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = connect(
      join(of.queueDirectory, "control/socket"),
      () => socket.write(`${JSON.stringify({ verb, args: {} })}\n`),
    );
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => text += chunk);
    socket.on("error", () => done(undefined));
    socket.on("close", () => done(JSON.stringify(JSON.parse(text).done)));
  });
}

whole("SIGTERM lets a message under way come in, then ends with status 0", async () => {
  const each = await server();
  const client = await talk(each.port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<a@b.example>");
  await client.say("RCPT TO:<x@unreachable.invalid>");
  await client.say("DATA");
  client.send("Subject: slow\r\n\r\nfirst half\r\n");
  each.signal("SIGTERM");
  await until("listener closed", async () => (await banner(each.port)) === undefined);
  expect(await client.say("second half\r\n.")).toStartWith("250 2.0.0 Ok: queued as");
  expect(await each.exited).toBe(0);
  await each.logged(/postfix\/master\[\d+\]: terminating on signal 15/);
});

whole("the deadline ends a session that never ends", async () => {
  const each = await server({ mainCf: ["shutdown_deadline = 1s"] });
  const client = await talk(each.port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<a@b.example>");
  await client.say("RCPT TO:<x@unreachable.invalid>");
  await client.say("DATA");
  const heldUp = startWatch();
  each.signal("SIGTERM");
  expect(await each.exited).toBe(0);
  expect(heldUp()).toBe(false);
});

whole("workers end by themselves when master is killed", async () => {
  const each = await server();
  const { workers } = await status(each);
  each.signal("SIGKILL");
  await each.exited;
  running.pop();
  await until("workers gone", () =>
    Promise.resolve(workers.every(({ pid }) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    })));
});

whole("status, flush, stop and their exit statuses are postfix(1)'s", async () => {
  const each = await server();
  const up = await each.mta("status");
  expect([up.code, up.stderr]).toEqual([
    0,
    `postfix/postfix-script: the Postfix mail system is running: PID: ${each.pid}\n`,
  ]);
  expect((await each.mta("flush")).code).toBe(0);
  const stop = await each.mta("stop");
  expect([stop.code, stop.stderr]).toEqual([0, "postfix/postfix-script: stopping the Postfix mail system\n"]);
  expect(await each.exited).toBe(0);
  const down = await each.mta("status");
  expect([down.code, down.stderr]).toEqual([
    1,
    "postfix/postfix-script: the Postfix mail system is not running\n",
  ]);
  for (const command of ["stop", "abort", "reload", "flush"]) {
    const answer = await each.mta(command);
    expect([command, answer.code, answer.stderr])
      .toEqual([command, 1, "postfix/postfix-script: fatal: the Postfix mail system is not running\n"]);
  }
});

whole("a stop at any moment of a reload ends the service and every worker", async () => {
  for (const moment of [0, 5, 20, 50, 90, 140]) {
    const each = await server({ mainCf: ["worker_processes = 2"] });
    const seen = new Set<string>();
    const note = () => {
      try {
        const text = readFileSync(`/proc/${each.pid}/task/${each.pid}/children`, "latin1");
        for (const pid of text.trim().split(" ").filter((word) => word !== "")) seen.add(pid);
      } catch { /* it has ended */ }
    };
    note();
    const watch = setInterval(note, 1);
    each.signal("SIGHUP");
    await pause(moment);
    each.signal("SIGTERM");
    const code = await each.exited;
    clearInterval(watch);
    expect([moment, code, [...seen].filter((pid) => existsSync(`/proc/${pid}`))]).toEqual([moment, 0, []]);
    expect([moment, seen.size >= 2]).toEqual([moment, true]);
  }
});

whole(
  "start puts the service into the background and returns when it serves; a failing one says why",
  async () => {
    const each = await server();
    await each.stop({ keep: true });
    running.pop();
    const start = await each.mta("start");
    expect([start.code, start.stderr]).toEqual([
      0,
      "postfix/postfix-script: starting the Postfix mail system\n",
    ]);
    try {
      expect(await banner(each.port)).toStartWith("220 ");
      expect((await each.mta("stop")).code).toBe(0);
    } finally {
      await each.mta("abort"); // nobody else ends what is in the background
    }
    each.writeMainCf(["mailbox_size_limit = 1"]);
    const partly = await each.mta("start");
    expect(partly.code).toBe(0);
    expect(partly.stderr).toMatch(/error: .*service local\/unix is closed: .*mailbox_size_limit/);
    expect((await each.mta("stop")).code).toBe(0);
    each.writeMainCf(["soft_bounce = maybe"]);
    const bad = await each.mta("start");
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain("soft_bounce");
  },
);

whole(
  "health, readiness and metrics answer over HTTP, and the metrics are valid Prometheus text",
  async () => {
    const port = await freePort();
    const each = await server({ mainCf: [`http_listen = 127.0.0.1:${port}`] });
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await until("http", async () => (await get("/healthz").catch(() => undefined))?.status === 200);
    expect((await get("/readyz")).status).toBe(200);
    await sendMessage(each.port, { from: "a@b.example", to: "x@unreachable.invalid" });
    const text = await (await get("/metrics")).text();
    expect(checkExposition(text)).toEqual([]);
    expect(text).toMatch(/^mta_smtpd_sessions_total(\{.*\})? [1-9]/m);
    expect(text).toMatch(/^mta_queue_sync_messages_count [1-9]/m);
  },
);

whole("totals survive the death of a worker and a reload", async () => {
  const port = await freePort();
  const each = await server({ mainCf: [`http_listen = 127.0.0.1:${port}`] });
  const sessions = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^mta_smtpd_sessions_total(?:\{.*\})? (\d+)/m.exec(text)?.[1]);
  };
  await banner(each.port);
  const before = await sessions();
  process.kill((await status(each)).workers[0]!.pid, "SIGKILL");
  await until("restart", async () => (await status(each)).workers[0]!.restarts === 1);
  await each.mta("reload");
  expect(await sessions()).toBeGreaterThanOrEqual(before);
});

whole("a busy http_listen that was asked for stops the start; the default one only warns", async () => {
  const each = await server();
  const taken = each.port;
  const directory = mkdtempSync(join(tmpdir(), "mta-http-"));
  chmodSync(directory, 0o755);
  writeFileSync(
    join(directory, "main.cf"),
    `compatibility_level = 3.6\nqueue_directory = ${directory}/q\ndata_directory = ${directory}/d\ninet_interfaces = 127.0.0.1\nhttp_listen = 127.0.0.1:${taken}\nmaillog_file = /dev/stdout\n`,
  );
  writeFileSync(join(directory, "master.cf"), `${await freePort()} inet n - n - - smtpd\n`);
  const second = await runMta(["-c", directory, "serve"]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`http_listen 127.0.0.1:${taken}`);
});

whole("the environment and the current folder cannot steer the runtime inside", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mta-env-"));
  const mark = join(folder, "mark");
  writeFileSync(join(folder, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "x");`);
  writeFileSync(join(folder, "bunfig.toml"), `preload = ["./evil.ts"]\n`);
  writeFileSync(join(folder, ".env"), "MTA_mail_name=fromdotenv\nMAIL_CONFIG=/nonexistent\n");
  const env = {
    BUN_BE_BUN: "1",
    BUN_OPTIONS: `--preload ${folder}/evil.ts`,
    BUN_INSPECT: "127.0.0.1:0",
    BUN_INSPECT_PRELOAD: `${folder}/evil.ts`,
  };
  const answer = await runMta(["version"], { env, cwd: folder });
  expect(answer.code).toBe(0);
  expect(answer.stdout).toStartWith("mta ");
  expect(answer.stderr).toBe("");
  expect(readdirSync(folder)).not.toContain("mark");
  const each = await server({ env });
  expect(await banner(each.port)).toBe("220 mail.example.com ESMTP mta");
  expect(readdirSync(folder)).not.toContain("mark");
});
