// spawn(8): what a service has started ends with it, whatever ends it; who may not be named by user= is refused alone.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answerOf } from "../../kit/ask_socket.ts";
import { endOf } from "../../kit/servers/ending.ts";
import { NOBODY } from "../../kit/servers/local_user.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, freePort, type Server, startServer } from "../../kit/server.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const asRoot = withPeers(import.meta.path, "dist/mta", "root").test;
const { afterEach, test: whole } = withPeers(import.meta.path, "dist/mta");

let server: Server | undefined;
let place = "";
const open: Socket[] = [];
afterEach(async () => {
  open.splice(0).forEach((socket) => socket.destroy());
  await server?.stop();
  server = undefined;
  fs.rmSync(place, { recursive: true, force: true });
});

/** Prints its own id and those of what it has started: a child, and one in a session of its own whose parent is gone. */
const FAMILY = `#!/bin/sh
read line
sleep 300 &
child=$!
setsid sh -c 'sleep 300 & echo "daemon $!"'
echo "pids $$ $child"
trap '' TERM
wait
`;

function commands(): string {
  place = fs.mkdtempSync(join(tmpdir(), "mta-spawn-"));
  fs.chmodSync(place, 0o755);
  fs.writeFileSync(join(place, "family"), FAMILY, { mode: 0o755 });
  fs.writeFileSync(join(place, "echo"), '#!/bin/sh\nwhile read line; do echo "$1 $line"; done\n', {
    mode: 0o755,
  });
  return place;
}

/** A connection, with what it has heard. */
function talkTo(path: string): { say(line: string): void; heard(pattern: RegExp): Promise<string> } {
  const socket = connect(path);
  open.push(socket);
  let text = "";
  socket.on("data", (chunk) => text += chunk).on("error", () => {});
  return {
    say: (line) => void socket.write(`${line}\n`),
    async heard(pattern) {
      await until(() => `${pattern}, but: ${text}\n${server?.log()}`, () => pattern.test(text));
      return text;
    },
  };
}

/** Starts the family, and answers its members' ids. */
async function family(path: string): Promise<number[]> {
  const client = talkTo(path);
  client.say("go");
  const text = await client.heard(/^pids.*\n/m).then(() => client.heard(/^daemon.*\n/m));
  const pids = [...text.matchAll(/\d+/g)].map(Number);
  expect(pids.filter(lives)).toEqual(pids);
  return pids;
}

function lives(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** The processes of spawn entries: each one's own, those that wait for a connection, and commands. */
function processes(): number[] {
  const parents = fs.readdirSync("/proc").map(Number).filter((pid) => {
    try {
      const [name, ...args] = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      const isOurs = name!.startsWith("mta: spawn ") && parentOf(pid) === server?.pid;
      return isOurs || args.some((word) => word.startsWith(`${place}/`));
    } catch {
      return false;
    }
  });
  return parents;
}

const parentOf = (pid: number) =>
  Number(/^PPid:\t(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

function gone(pids: readonly number[]): Promise<void> {
  return until(() => `the end of ${pids.filter(lives)}`, () => !pids.some(lives));
}

const ENTRY = "family unix - n n - 0 spawn user=nobody argv=PLACE/family";
const started = (entries: readonly string[], main: readonly string[] = []) => {
  const folder = commands();
  const masterCf = entries.map((line) => line.replaceAll("PLACE", folder));
  return startServer({ mainCf: main, masterCf });
};
const socketOf = (name: string) => join(server!.queueDirectory, name);

for (const how of ["SIGTERM", "SIGKILL", "abort"] as const) {
  asRoot(`nothing that a command has started outlives the service, ended by ${how}`, async () => {
    server = await started([ENTRY]);
    const members = await family(socketOf("private/family"));
    const all = () => [...new Set([...members, ...processes()])];
    // The family's three, the service's process, the one that waits for the next connection.
    await server.logged(/daemon started/);
    await until("the next one to wait", () => all().length >= 5);
    const pids = all();
    if (how === "abort") await server.mta("abort");
    else server.signal(how);
    await server.exited;
    await gone(pids);
    expect(processes()).toEqual([]);
    if (how !== "SIGKILL") expect(fs.existsSync(socketOf("private/family"))).toBe(false);
  });
}

asRoot("at the time limit a command ends with all of its process group", async () => {
  server = await started([ENTRY], ["family_time_limit = 1s"]);
  const [daemon, ...group] = await family(socketOf("private/family")).then((pids) =>
    pids.sort((a, b) => b - a)
  );
  await server.logged(
    new RegExp(
      `spawn\\[\\d+\\]: warning: \\S+/family: process id ${Math.min(...group)}: command time limit exceeded$`,
    ),
  );
  await server.logged(/spawn\[\d+\]: warning: command \S+\/family killed by signal 9$/);
  await gone(group);
  expect(daemon).toBeGreaterThan(0);
});

asRoot(
  "a reload leaves alone what has not changed, and lets the commands of a changed entry end by themselves",
  async () => {
    const line = (word: string) => `echo unix - n n - 0 spawn user=nobody argv=PLACE/echo ${word}`;
    server = await started([
      line("old"),
      ENTRY,
      "same unix n n n - 0 spawn user=nobody argv=PLACE/echo same",
    ]);
    const [old, same] = [talkTo(socketOf("private/echo")), talkTo(socketOf("public/same"))];
    old.say("1");
    same.say("1");
    await Promise.all([old.heard(/old 1\n/), same.heard(/same 1\n/)]);
    const file = join(server.configDirectory, "master.cf");
    const text = fs.readFileSync(file, "utf8").replace("/echo old", "/echo new").replace(/^family.*\n/m, "");
    fs.writeFileSync(file, text);
    expect((await server.mta("reload")).code).toBe(0);
    expect(await talkAgain("new", "private/echo")).toBe("new 2");
    expect(await talkAgain("same", "public/same")).toBe("same 2");
    expect(fs.existsSync(socketOf("private/family"))).toBe(false);
    old.say("3");
    same.say("3");
    await Promise.all([old.heard(/old 3\n/), same.heard(/same 3\n/)]);
    open.splice(0).forEach((socket) => socket.destroy());
    // What is left of the old entries: nothing, as their last command has ended.
    const words = () =>
      processes().flatMap((pid) => {
        try {
          return [fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").slice(0, -1)];
        } catch {
          return []; // gone meanwhile
        }
      });
    await until(
      () => `their end: ${JSON.stringify(words())}`,
      () => !words().some((each) => /^old$|family$/.test(each.at(-1)!)),
    );
  },
);

async function talkAgain(word: string, path: string): Promise<string> {
  const client = talkTo(socketOf(path));
  client.say("2");
  return (await client.heard(new RegExp(`${word} 2\n`))).trim();
}

asRoot(
  "an entry whose user= or argv= will not do is refused by name, and the others are served",
  async () => {
    const rows = [
      ["user=root argv=PLACE/echo", "request to deliver as root"],
      ["user=nobody:root argv=PLACE/echo", "request to use privileged group id 0"],
      ["user=nosuch argv=PLACE/echo", "unknown user name: nosuch"],
      ["user=nobody:nosuch argv=PLACE/echo", "unknown group name: nosuch"],
      ["argv=PLACE/echo", "missing user= attribute"],
      ["user=nobody", "missing argv= attribute"],
      ["color=red user=nobody argv=x", "unknown attribute name: color=red"],
      ["user=OWNER argv=PLACE/echo", "request to deliver as mail system owner"],
    ] as const;
    const entries = rows.map(([words], at) =>
      `r${at} unix - n n - 0 spawn ${words.replace("OWNER", "daemon")}`
    );
    server = await started([...entries, "good unix - n n - 0 spawn user=nobody argv=PLACE/echo good"], [
      "mail_owner = daemon",
    ]);
    for (const [at, [, why]] of rows.entries()) {
      await server.logged(
        new RegExp(`warning: .*/master.cf, line \\d+, service r${at}/unix: spawn: not served: ${why}`),
      );
      expect(await answerOf(socketOf(`private/r${at}`), "x")).toBe("ENOENT");
    }
    const client = talkTo(socketOf("private/good"));
    client.say("x");
    await client.heard(/good x\n/);
    const checked = await server.mta("check");
    expect(checked.stderr + checked.stdout).toContain(
      "service r0/unix: spawn: not served: request to deliver as root",
    );
  },
);

asRoot(
  "a folder that another user has put in the place of private/ is not bound in, and the rest is served",
  async () => {
    const folder = commands();
    const directory = fs.mkdtempSync(join(tmpdir(), "mta-test-"));
    fs.mkdirSync(join(directory, "queue/private"), { recursive: true });
    fs.chownSync(join(directory, "queue/private"), NOBODY.uid, NOBODY.gid);
    fs.writeFileSync(join(directory, "queue/private/x"), "");
    server = await startServer({ directory, masterCf: [ENTRY.replace("PLACE", folder)] });
    await server.logged(
      /error: cannot serve \S+\/private\/family: \S+ belongs to user id 65534, not to mail_owner/,
    );
  },
);

asRoot(
  "root binds nothing in mail_owner's folder by itself: a link there leads no socket elsewhere",
  async () => {
    const folder = commands();
    const directory = fs.mkdtempSync(join(tmpdir(), "mta-test-"));
    const [secret, link] = [join(directory, "secret"), join(directory, "queue/private")];
    fs.mkdirSync(join(directory, "queue"), { recursive: true });
    fs.mkdirSync(secret, { mode: 0o700 });
    const { uid, gid } = { uid: 1, gid: 1 };
    fs.chownSync(join(directory, "queue"), uid, gid);
    fs.symlinkSync(secret, link);
    server = await startServer({
      directory,
      mainCf: ["mail_owner = daemon"],
      masterCf: [ENTRY.replace("PLACE", folder)],
    });
    await server.logged(/error: cannot serve \S+\/private\/family: /);
    expect(fs.readdirSync(secret)).toEqual([]);
  },
);

whole("without root a service runs as ourselves, and one of another user's is refused by name", async () => {
  const folder = commands();
  const port = await freePort();
  fs.writeFileSync(
    join(folder, "main.cf"),
    `compatibility_level = 3.6\nqueue_directory = ${folder}/q\ndata_directory = ${folder}/d\nhttp_listen =\n` +
      "inet_interfaces = 127.0.0.1\nmaillog_file = /dev/stdout\nworker_processes = 1\n",
  );
  const own = process.getuid!() === 0 ? "nobody" : fs.readFileSync("/etc/passwd", "utf8").match(
    new RegExp(`^(.*?):.*?:${process.getuid!()}:`, "m"),
  )![1];
  fs.writeFileSync(
    join(folder, "master.cf"),
    `127.0.0.1:${port} inet n - n - - smtpd\n` +
      `mine unix - n n - 0 spawn user=${own} argv=${folder}/echo mine\n` +
      `other unix - n n - 0 spawn user=daemon argv=${folder}/echo other\n`,
  );
  if (process.getuid!() === 0) fs.chownSync(folder, NOBODY.uid, NOBODY.gid);
  const child = spawn(BINARY, ["-c", folder, "serve"], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(process.getuid!() === 0 && NOBODY),
  });
  let log = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => log += chunk);
  try {
    await until("the start", () => log.includes("daemon started"));
    expect(log).toMatch(
      /service other\/unix: spawn: not served: the mail system does not run as root, so it cannot run a command as user id 1 and/,
    );
    const client = talkTo(join(folder, "q/private/mine"));
    client.say("x");
    await client.heard(/mine x\n/);
  } finally {
    await endOf(child);
  }
  await gone(processes());
});
