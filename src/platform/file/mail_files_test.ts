import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs, {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AppendOptions, appendToMailbox, deliverToMaildir, readMailFile } from "./mail_files.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "mail-files-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const owner = { uid: process.geteuid!(), gid: process.getegid!() };
const OPTIONS: AppendOptions = {
  owner,
  locks: ["fcntl"],
  lockAttempts: 3,
  lockDelay: 10,
  staleLock: 1000,
  sizeLimit: 0,
  strictOwner: true,
  anyFile: false,
};

async function* message(): AsyncIterable<Uint8Array> {
  yield Buffer.from("From x\nhello\n\n");
}

/** A pipe whose other end somebody opens after two seconds, so that a test that waits for it ends all the same. */
function pipe(name: string): string {
  const path = join(folder, name);
  spawnSync("mkfifo", [path]);
  Bun.spawn(["sh", "-c", 'sleep 2; [ -p "$0" ] && : <>"$0"', path]);
  return path;
}

test("a pipe or folder in place of a mailbox is a fault, and nobody waits for it", async () => {
  const started = performance.now();
  for (const path of [pipe("pipe"), (mkdirSync(join(folder, "folder")), join(folder, "folder"))]) {
    for (const anyFile of [false, true]) {
      const done = appendToMailbox(path, message(), { ...OPTIONS, anyFile });
      await expect(done).rejects.toThrow(/is not a regular file|Is a directory/);
    }
  }
  expect(performance.now() - started).toBeLessThan(1000);
});

test("a pipe in place of a .forward file is a fault, and nobody waits for it", () => {
  const started = performance.now();
  expect(() => readMailFile(pipe("forward"), owner, 1000)).toThrow("is not a regular file");
  expect(performance.now() - started).toBeLessThan(1000);
});

test("files, links to them and what is not there", async () => {
  const path = join(folder, "box");
  await appendToMailbox(path, message(), OPTIONS);
  await appendToMailbox(path, message(), OPTIONS);
  expect(readFileSync(path, "utf8")).toBe("From x\nhello\n\n".repeat(2));
  writeFileSync(join(folder, "forward"), "ann\n");
  symlinkSync("forward", join(folder, "link"));
  expect(readMailFile(join(folder, "link"), owner, 1000)).toEqual({ text: "ann\n", owner: owner.uid });
  expect(readMailFile(join(folder, "none"), owner, 1000)).toBeUndefined();
  expect(() => readMailFile(join(folder, "link"), owner, 3)).toThrow("is larger than 3 bytes");
});

async function* broken(): AsyncIterable<Uint8Array> {
  yield Buffer.from("From x\nhalf of it");
  await Promise.resolve();
  throw new Error("the queue file ends here");
}

test("a message that breaks off leaves nothing: a mailbox is as it was, a maildir is empty", async () => {
  const path = join(folder, "box");
  await appendToMailbox(path, message(), OPTIONS);
  await expect(appendToMailbox(path, broken(), OPTIONS)).rejects.toThrow("error writing message");
  expect(readFileSync(path, "utf8")).toBe("From x\nhello\n\n");
  const maildir = join(folder, "maildir");
  const options = { owner, hostname: "h.example", sizeLimit: 0 };
  await expect(deliverToMaildir(maildir, broken(), options)).rejects.toThrow("create maildir file");
  expect([...readdirSync(join(maildir, "tmp")), ...readdirSync(join(maildir, "new"))]).toEqual([]);
});

test("a maildir that has to be made is durable with all folders above it, even if the message then breaks off", async () => {
  const synced: string[] = [];
  const record = (fd: number, done: fs.NoParamCallback) => {
    synced.push(readlinkSync(`/proc/self/fd/${fd}`).slice(folder.length));
    done(null);
  };
  const { __promisify__ } = fs.fsync;
  const spy = spyOn(fs, "fsync").mockImplementation(Object.assign(record, { __promisify__ }));
  try {
    const maildir = join(folder, "example.org/ann/maildir");
    const options = { owner, hostname: "h.example", sizeLimit: 0 };
    await expect(deliverToMaildir(maildir, broken(), options)).rejects.toThrow("create maildir file");
    expect(synced.splice(0)).toEqual(["/example.org/ann/maildir", "/example.org/ann", "/example.org", ""]);
    await deliverToMaildir(maildir, message(), options);
    expect(synced.map((path) => path.replace(/[^/]+\.h\.example$/, "message"))).toEqual([
      "/example.org/ann/maildir/tmp/message",
      "/example.org/ann/maildir/new",
    ]);
  } finally {
    spy.mockRestore();
  }
});

test("a maildir whose folder may be written and not read takes a message, once", async () => {
  const maildir = join(folder, "maildir");
  const options = {
    owner: owner.uid === 0 ? { uid: 65534, gid: 65534 } : owner,
    hostname: "h.example",
    sizeLimit: 0,
  };
  for (const name of ["", "/tmp", "/new", "/cur"]) {
    mkdirSync(`${maildir}${name}`);
    chownSync(`${maildir}${name}`, options.owner.uid, options.owner.gid);
  }
  chmodSync(folder, 0o755);
  chmodSync(join(maildir, "new"), 0o300);
  await deliverToMaildir(maildir, message(), options);
  chmodSync(join(maildir, "new"), 0o700);
  expect(readdirSync(join(maildir, "new"))).toHaveLength(1);
});
