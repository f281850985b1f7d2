// postlog(1) beside the real one: lines, exit statuses and what a terminal shows, with the service up and down.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { BINARY, freePort, mailOwner, startServer } from "../../kit/server.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix", "script");
setDefaultTimeout(180_000);

interface Case {
  readonly args: readonly string[];
  readonly input?: string;
  /** Run with a terminal. */
  readonly terminal?: boolean;
}

const CASES: readonly Case[] = [
  { args: ["hello", "world"] },
  { args: ["-p", "warn", "-t", "mytag", "hello"] },
  { args: ["-i", "-p", "err", "-t", "a/b", "--", "-x"] },
  { args: ["-p", "Crit", "dead"] },
  { args: ["-p", "panic", "dead"] },
  { args: ["-v", "-p", "nope", "dead"], terminal: true },
  { args: ["-Z"], terminal: true },
  { args: ["-t"], terminal: true },
  { args: ["-t", "a\nb", "x\ny"] },
  { args: ["-t", "stdin", "-p", "INFO"], input: "one\n\nthree\npart" },
  { args: ["-t", "empty"], input: "" },
  { args: [""] },
  { args: ["x".repeat(5000)] },
  { args: ["-p", "warning", "seen"], terminal: true },
  { args: ["-t", "tag", "-p", "error", "seen"], terminal: true },
];

interface System {
  readonly command: readonly string[];
  readonly configDirectory: string;
  readonly log: () => string;
  readonly down: () => Promise<unknown>;
  readonly end: () => unknown;
}

async function theirs(): Promise<System> {
  const postfix = await startPostfix({
    main: {},
    master: `127.0.0.1:${await freePort()} inet n - n - - smtpd`,
  });
  const { configDirectory } = postfix;
  await postfix.waitForLog(/daemon started/);
  return {
    command: ["/usr/sbin/postlog", "-c", configDirectory],
    configDirectory,
    log: () => postfix.log(),
    down: async () => void spawnSync("/usr/sbin/postfix", ["-c", configDirectory, "stop"]),
    end: () => postfix.stop(),
  };
}

async function ours(): Promise<System> {
  const mainCf = ["maillog_file = $queue_directory/../maillog", "maillog_file_prefixes = /"];
  const server = await startServer({ mainCf });
  return {
    command: [BINARY, "postlog", "-c", server.configDirectory],
    configDirectory: server.configDirectory,
    log: () => readFileSync(join(server.directory, "maillog"), "utf8"),
    down: () => server.stop({ keep: true }),
    end: () => rmSync(server.directory, { recursive: true, force: true }),
  };
}

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");

/** What a run of the tool left: exit status, what the terminal showed, and its lines in the log without time, host and pid. */
async function run({ command, log }: System, { args, input, terminal }: Case) {
  const before = log().length;
  const all = [...command, ...args];
  const [first, ...rest] = terminal === true ? ["script", "-qec", quoted(all), "/dev/null"] : all;
  const { status, stdout } = spawnSync(first!, rest, { encoding: "utf8", input: input ?? "" });
  const mark = `end of ${args.join(" ").slice(0, 20).replace(/\W/g, "_")}`;
  spawnSync(command[0]!, [...command.slice(1), "-t", "mark", mark]);
  await until(() => `${mark} in ${log().slice(before)}`, () => log().slice(before).includes(mark));
  const lines = log().slice(before).split("\n").filter((line) =>
    line !== "" && !line.includes(mark) && !line.includes(" postfix/smtpd[")
  );
  return {
    args,
    status,
    shown: terminal === true ? stdout.replaceAll("\r\n", "\n") : "",
    lines: lines.map((line) => line.replace(/^.{15} \S+ /, "").replace(/\[\d+\]/, "[PID]").slice(0, 1990)),
  };
}

async function played(start: () => Promise<System>): Promise<unknown[]> {
  const system = await start();
  try {
    const up = [];
    for (const each of CASES) up.push(await run(system, each));
    await system.down();
    const down = [];
    for (const each of CASES.slice(0, 3)) down.push(await run(system, each));
    return [...up, ...down];
  } finally {
    await system.end();
  }
}

test("lines, exit statuses and what a terminal shows are postlog(1)'s", async () => {
  expect(await played(ours)).toEqual(await played(theirs));
});

test("a user who may not write to maillog_file is told so, whether the service runs or not", async () => {
  const asNobody = async (system: System) => {
    const command = `su -s /bin/sh nobody -c "${
      [...system.command, "by nobody"].map((word) => `'${word}'`).join(" ")
    }"`;
    const say = () => {
      const { status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
      return [status, stdout.replaceAll("\r\n", "\n").replace(/'\/.*maillog'/, "'MAILLOG'")];
    };
    try {
      const up = say();
      await system.down();
      return [up, say(), system.log().includes("by nobody")];
    } finally {
      await system.end();
    }
  };
  expect(await asNobody(await ours())).toEqual(await asNobody(await theirs()));
});

test("with the log on the service's standard output root's line and mail_owner's come to it by the service, no other user's", async () => {
  const server = await startServer({ mainCf: ["maillog_file = /dev/stdout"] });
  try {
    const said = await server.mta("postlog", "-t", "backup", "-p", "warn", "done");
    expect(said).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await server.logged(/ backup\[\d+\]: warning: done$/)).not.toContain(`[${server.pid}]`);
    const as = (user: string) =>
      spawnSync("setpriv", [
        `--reuid=${user}`,
        "--clear-groups",
        BINARY,
        "-c",
        server.configDirectory,
        "postlog",
        `by ${user}`,
      ], {
        encoding: "utf8",
      });
    expect(as(mailOwner()).status).toBe(0);
    await server.logged(new RegExp(`postfix/postlog\\[\\d+\\]: by ${mailOwner()}$`));
    // His own standard output is where a user's line goes then.
    expect(as("nobody").stdout).toEndWith(": by nobody\n");
    expect(server.log()).not.toContain("by nobody");
  } finally {
    await server.stop();
  }
});
