// Users of one machine, one of them ill-meaning: games sends mail, news wants it, or to be games; and what a full disk and a kill leave.
import { expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import { dropFolder } from "../../../src/pickup/drop/drop_folder.ts";
import { dropped, messagesIn, ONE_BOX, untilTaken } from "../../kit/drops.ts";
import { withPeers } from "../../kit/peers.ts";
import { readDrop } from "../../kit/scenes/sendmail_pair.ts";
import { BINARY, type Server, startServer } from "../../kit/server.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "root", "python3");
const MAIN: readonly string[] = [...ONE_BOX, "myorigin = example.com"];
let [games, news]: Account[] = [];
/** The server has run, and is down: what is dropped stays. */
let server: Server;
let folder = "";

beforeAll(async () => {
  [games, news] = [userNamed("games"), userNamed("news")];
  server = await startServer({ mainCf: MAIN });
  await server.stop({ keep: true });
  folder = dropFolder(server.queueDirectory);
});
afterAll(() => fs.rmSync(server.directory, { recursive: true, force: true }));

const as = (user: Account, ...command: string[]): [string, string[]] => [
  "setpriv",
  ["--reuid", String(user.uid), "--regid", String(user.gid), "--clear-groups", "--", ...command],
];

function sendmail(user: Account, args: readonly string[], input = "Subject: x\n\nbody\n") {
  const [program, words] = as(user, BINARY, "-c", server.configDirectory, "sendmail", ...args);
  const done = spawnSync(program, words, { input, cwd: "/" });
  return { status: done.status, err: done.stderr.toString() };
}

/** The drop that a call has made. */
function dropOf(user: Account, args: readonly string[] = ["box"]): string {
  const before = new Set(dropped(server.queueDirectory));
  expect(sendmail(user, args)).toEqual({ status: 0, err: "" });
  return join(folder, dropped(server.queueDirectory).find((name) => !before.has(name))!);
}

function clear(): void {
  for (const name of dropped(server.queueDirectory)) fs.rmSync(join(folder, name), { recursive: true });
}

/** Tries statements of Python as a user; the names of the errors they end with, or what they printed. */
function tries(user: Account, statements: readonly string[]): string[] {
  const script = "import os,sys,shutil\n" +
    statements.map((each) => `try:\n  print(${each})\nexcept OSError as e: print(os.strerror(e.errno))\n`)
      .join("");
  const [program, words] = as(user, "/usr/bin/python3", "-c", script);
  const done = spawnSync(program, words, { cwd: "/" });
  expect(done.stderr.toString()).toBe("");
  return done.stdout.toString().trimEnd().split("\n");
}

test("nobody lists, reads, changes, replaces or removes the mail of others, even where he knows its name", () => {
  const path = dropOf(games!);
  const before = fs.readFileSync(path);
  const name = JSON.stringify(path);
  const other = JSON.stringify(join(folder, "other"));
  const refusals = tries(news!, [
    `os.listdir(${JSON.stringify(folder)})`,
    `open(${name}).read()`,
    `open(${name}, "w")`,
    `open(${name}, "a")`,
    `os.truncate(${name}, 0)`,
    `os.chmod(${name}, 0o666)`,
    `os.chown(${name}, ${news!.uid}, ${news!.gid})`,
    `os.unlink(${name})`,
    `os.rename(${name}, ${other})`,
    `os.rename("/dev/null", ${name})`,
    `os.symlink("/etc/passwd", ${name})`,
    `os.utime(${name})`,
    `os.rmdir(${JSON.stringify(folder)})`,
    `os.rename(${JSON.stringify(folder)}, "/tmp/taken")`,
    `os.chmod(${JSON.stringify(folder)}, 0o777)`,
  ]);
  expect(refusals.filter((said) => !/denied|not permitted|exists|cross-device/i.test(said))).toEqual([]);
  expect(fs.readFileSync(path).equals(before)).toBe(true);
  // A file put into place by renaming one's own over it.
  fs.writeFileSync(join(server.directory, "mine"), "", { mode: 0o666 });
  fs.chownSync(join(server.directory, "mine"), news!.uid, news!.gid);
  const own = tries(news!, [
    `os.close(os.open(${JSON.stringify(join(folder, "mine"))}, os.O_CREAT|os.O_WRONLY, 0o600))`,
    `os.rename(${JSON.stringify(join(folder, "mine"))}, ${name})`,
  ]);
  expect(own).toEqual(["None", "Operation not permitted"]);
  expect(fs.readFileSync(path).equals(before)).toBe(true);
  clear();
});

test("a drop is for its owner, and to read for the mail system, whatever the user's umask", () => {
  const [program, words] = as(
    games!,
    "sh",
    "-c",
    'umask 777; printf "x\\n" | "$0" -c "$1" sendmail box',
    BINARY,
    server.configDirectory,
  );
  expect(spawnSync(program, words, { cwd: "/" }).status).toBe(0);
  const [name] = dropped(server.queueDirectory);
  const { mode, uid, gid, nlink } = fs.statSync(join(folder, name!));
  const { uid: owner, gid: group } = fs.statSync(folder);
  expect({ mode: mode & 0o7777, uid, gid, nlink }).toEqual({
    mode: 0o740,
    uid: games!.uid,
    gid: group,
    nlink: 1,
  });
  expect([0, games!.uid]).not.toContain(owner);
  clear();
});

test("who sends is known by the file, not by what he says: no option and no variable makes him another", async () => {
  const words = ["-f", "games@example.com", "-F", "Games", "box"];
  expect(sendmail(news!, words)).toEqual({ status: 0, err: "" });
  const [program, args] = as(
    news!,
    ...["env", "USER=games", "LOGNAME=games", "HOME=/usr/games", "MAIL_CONFIG=/nonexistent"],
    ...[BINARY, "-c", server.configDirectory, "sendmail", "box"],
  );
  expect(spawnSync(program, args, { input: "Subject: y\n\n", cwd: "/" }).status).toBe(0);
  server = await startServer({ mainCf: MAIN, directory: server.directory });
  await until(() => server.log().slice(-3000), () => messagesIn(server.directory).length >= 2);
  const texts = messagesIn(server.directory);
  expect(texts.map((text) => text.includes(`(mta, from userid ${news!.uid})`))).toEqual([true, true]);
  expect(texts[1]).toContain("Return-Path: <news@example.com>");
  await untilTaken(server.queueDirectory);
  await server.stop({ keep: true });
  fs.rmSync(join(server.directory, "mail/box"));
});

test("MAIL_VERBOSE is a -v, and a program with rights of others believes no variable", async () => {
  const call = (...command: string[]) => {
    const [program, words] = [command[0]!, command.slice(1)];
    return spawnSync(program, words, { input: "Subject: y\n\n", cwd: "/" }).stdout.toString();
  };
  const ours = [BINARY, "-c", server.configDirectory, "sendmail", "box"];
  const [setpriv, words] = as(games!, "env", "MAIL_VERBOSE=1", "NAME=Somebody", ...ours);
  expect(call(setpriv, ...words)).toBe("Mail Delivery Status Report will be mailed to <games>.\n");
  const [name] = dropped(server.queueDirectory);
  expect(await readDrop(join(folder, name!))).toMatchObject({ trace: "report", fullName: "Somebody" });
  clear();
  // Real user games, effective user news: as of a set-user-ID program.
  const { uid, gid } = games!;
  const lent = [
    "setpriv",
    "--ruid",
    `${uid}`,
    "--euid",
    `${news!.uid}`,
    "--rgid",
    `${gid}`,
    "--egid",
    `${gid}`,
  ];
  const shut = ["--clear-groups", "--", "env", "MAIL_VERBOSE=1", "NAME=Somebody", ...ours];
  expect(call(...lent, ...shut)).toBe("");
  const [other] = dropped(server.queueDirectory);
  expect(await readDrop(join(folder, other!))).toMatchObject({ trace: undefined, sender: "games" });
  clear();
});

/** A sendmail that has read so much and waits for more. */
async function halfway(user: Account, text: string): Promise<ChildProcess> {
  const [program, words] = as(user, BINARY, "-c", server.configDirectory, "sendmail", "-t");
  const child = spawn(program, words, { stdio: ["pipe", "ignore", "pipe"], cwd: "/" });
  child.stdin!.on("error", () => {});
  child.stdin!.write(text);
  await until("a drop that has been begun", () => dropped(server.queueDirectory).length > 0);
  return child;
}

const HALF = `To: box@example.com\nSubject: half\n\n${"a line\n".repeat(100_000)}`;

test("a sendmail that is asked to end takes its drop along, and ends by the signal", async () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const) {
    const child = await halfway(games!, HALF);
    const ended = once(child, "exit");
    child.kill(signal);
    expect({ signal, ended: await ended }).toEqual({ signal, ended: [null, signal] });
    expect(dropped(server.queueDirectory)).toEqual([]);
  }
});

test("what was begun by a sendmail that was killed never becomes mail, and is in nobody's way", async () => {
  const child = await halfway(games!, HALF);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  const [half] = dropped(server.queueDirectory);
  expect(fs.statSync(join(folder, half!)).mode & 0o111).toBe(0);
  server = await startServer({ mainCf: MAIN, directory: server.directory });
  expect(sendmail(news!, ["box"], "Subject: whole\n\nbody\n")).toEqual({ status: 0, err: "" });
  await until(() => server.log().slice(-3000), () => messagesIn(server.directory).length > 0);
  expect(messagesIn(server.directory).map((text) => /^Subject: (.*)$/m.exec(text)?.[1])).toEqual(["whole"]);
  await until("what is whole taken", () => dropped(server.queueDirectory).length <= 1);
  await server.stop({ keep: true });
  clear();
});

/** Calls sendmail as games where the folder of drops is a file system of its own with so much room; what is left there, and what was said. */
function onFullDisk(room: string, size: number): string {
  const script = `set -e
    mount -t tmpfs -o size=${room},mode=3733,uid=$(stat -c %u "$0"),gid=$(stat -c %g "$0") tmpfs "$0"
    { echo 'Subject: x'; echo; head -c ${size} /dev/zero | tr '\\0' x; } | setpriv --reuid ${
    games!.uid
  } --regid ${games!.gid} --clear-groups -- "$1" -c "$2" sendmail box || echo "status $?"
    ls "$0" | wc -l`;
  const done = spawnSync("unshare", ["-m", "sh", "-c", script, folder, BINARY, server.configDirectory]);
  return `${done.stdout}${done.stderr}`;
}

test("on a full disk nothing is taken and nothing left, and the caller hears it", () => {
  expect(onFullDisk("300k", 1_000_000)).toBe(
    `status 75\n0\nsendmail: fatal: games(${
      games!.uid
    }): error writing queue file: No space left on device\n`,
  );
  expect(onFullDisk("300k", 100_000)).toBe("1\n");
});

test("what pickup would not take is not dropped: an address without end is refused, a name is cut and is one line", async () => {
  const said = sendmail(games!, [`${"x".repeat(5000)}@example.com`]);
  expect(said.status).toBe(75);
  expect(said.err).toContain("recipient: address: text of at most 4096 characters");
  expect(dropped(server.queueDirectory)).toEqual([]);
  const { fullName } = await readDrop(dropOf(games!, ["-F", `one\nBcc: ${"x".repeat(2000)}`, "box"]));
  expect(fullName).toBe(`one Bcc: ${"x".repeat(1015)}`);
  clear();
});

test("sendmail -bs takes no message that is too large, and none of which the disk has no room", () => {
  const lines = ["EHLO x", "MAIL FROM:<a@b> SIZE=99999999", "MAIL FROM:<a@b>", "RCPT TO:<box>", "DATA"];
  const input = [...lines.slice(0, 3), "QUIT", ""].join("\r\n");
  const script =
    `mount -t tmpfs -o size=100k,mode=3733,uid=$(stat -c %u "$0"),gid=$(stat -c %g "$0") tmpfs "$0"
    setpriv --reuid ${games!.uid} --regid ${
      games!.gid
    } --clear-groups -- env MTA_message_size_limit=10000000 "$1" -c "$2" sendmail -bs
    ls "$0" | wc -l`;
  const command = ["-m", "sh", "-c", script, folder, BINARY, server.configDirectory];
  const { stdout } = spawnSync("unshare", command, { input });
  const said = stdout.toString().split(/\r?\n/).filter((line) => !line.startsWith("250-"));
  expect(said.map((line) => line.slice(0, 9))).toEqual([
    ...["220 mail.", "250 CHUNK", "552 5.3.4", "452 4.3.1", "221 2.0.0", "0", ""],
  ]);
  const small = [...lines.filter((line) => !line.includes("SIZE")), "hello", ".", "QUIT", ""].join("\r\n");
  const [program, words] = as(games!, BINARY, "-c", server.configDirectory, "sendmail", "-bs");
  expect(spawnSync(program, words, { input: small, cwd: "/" }).stdout.toString()).toContain(
    "250 2.0.0 Ok: queued as",
  );
  expect(dropped(server.queueDirectory)).toHaveLength(1);
  clear();
});

test("a limit on the size of files is told, too", () => {
  const script = 'ulimit -f 100; head -c 1000000 /dev/zero | tr "\\0" x | "$0" -c "$1" sendmail box';
  const [program, words] = as(games!, "sh", "-c", script, BINARY, server.configDirectory);
  const done = spawnSync(program, words, { cwd: "/" });
  expect({ status: done.status, err: done.stderr.toString() }).toEqual({
    status: 75,
    err: `sendmail: fatal: games(${games!.uid}): error writing queue file: File too large\n`,
  });
  expect(dropped(server.queueDirectory)).toEqual([]);
});

test("without a folder of drops, or one that is shut, the caller hears which", () => {
  const shut = join(server.directory, "shut");
  fs.mkdirSync(join(shut, "drop"), { recursive: true, mode: 0o755 });
  const call = (queue: string) => {
    const [program, words] = as(
      games!,
      "env",
      `MTA_queue_directory=${queue}`,
      BINARY,
      "-c",
      server.configDirectory,
      "sendmail",
      "box",
    );
    const done = spawnSync(program, words, { input: "x\n", cwd: "/" });
    return { status: done.status, err: done.stderr.toString() };
  };
  const said = `sendmail: fatal: games(${games!.uid}): error writing queue file`;
  expect(call(shut)).toEqual({ status: 75, err: `${said}: Permission denied\n` });
  expect(call(join(server.directory, "none"))).toEqual({
    status: 75,
    err: `${said}: No such file or directory (the folder of drops is made when the mail system starts)\n`,
  });
});

test("what is whole is whole: a message dropped by many at once is each one's own", async () => {
  const calls = Array.from({ length: 40 }, (_, k) => {
    const user = k % 2 === 0 ? games! : news!;
    const [program, words] = as(
      user,
      BINARY,
      "-c",
      server.configDirectory,
      "sendmail",
      "-i",
      `n${k}@example.com`,
    );
    const child = spawn(program, words, { stdio: ["pipe", "ignore", "inherit"], cwd: "/" });
    child.stdin!.end(`Subject: ${k}\n\n${"line\n".repeat(k * 500)}`);
    return once(child, "exit").then(([status]) => status);
  });
  expect((await Promise.all(calls)).every((status) => status === 0)).toBe(true);
  const names = dropped(server.queueDirectory);
  expect(names).toHaveLength(40);
  for (const name of names) {
    const { content, recipients } = await readDrop(join(folder, name));
    const number = Number(/^Subject: (\d+)$/m.exec(content)?.[1]);
    expect(recipients.map(({ address }) => address)).toEqual([`n${number}@example.com`]);
    expect(content.length).toBe(`Subject: ${number}\n\n`.length + number * 2500);
    expect(fs.statSync(join(folder, name)).uid).toBe((number % 2 === 0 ? games! : news!).uid);
  }
  clear();
});
