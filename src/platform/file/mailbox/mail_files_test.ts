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
import { readDestinations } from "./destination_file.ts";
import { type AppendOptions, appendToMailbox } from "./mailbox_file.ts";
import { deliverToMaildir } from "./maildir.ts";
import { startWatch } from "../../../../test/kit/waiting.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "mail-files-"))));
const openers: Bun.Subprocess[] = [];
afterEach(() => {
  for (const opener of openers.splice(0)) opener.kill();
  rmSync(folder, { recursive: true });
});

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

/** A pipe whose other end somebody opens after twenty seconds, so that a test that waits for it ends all the same. */
function pipe(name: string): string {
  const path = join(folder, name);
  spawnSync("mkfifo", [path]);
  openers.push(Bun.spawn(["sh", "-c", 'sleep 20; [ -p "$0" ] && : <>"$0"', path]));
  return path;
}

test("a pipe or folder in place of a mailbox is a fault, and nobody waits for it", async () => {
  const heldUp = startWatch();
  for (const path of [pipe("pipe"), (mkdirSync(join(folder, "folder")), join(folder, "folder"))]) {
    for (const anyFile of [false, true]) {
      const done = appendToMailbox(path, message(), { ...OPTIONS, anyFile });
      await expect(done).rejects.toThrow(/cannot open file: (?:No such device or address|Is a directory)/);
    }
  }
  expect(heldUp()).toBe(false);
});

test("a pipe in place of a .forward file is a fault, and nobody waits for it", () => {
  const heldUp = startWatch();
  for (const kind of ["forward", "include"] as const) {
    const file = { path: pipe(kind), kind, limit: 1000 };
    expect(() => readDestinations(file, owner)).toThrow("is not a regular file");
  }
  expect(heldUp()).toBe(false);
});

test("files, links to them and what is not there", async () => {
  const path = join(folder, "box");
  await appendToMailbox(path, message(), OPTIONS);
  await appendToMailbox(path, message(), OPTIONS);
  expect(readFileSync(path, "utf8")).toBe("From x\nhello\n\n".repeat(2));
  writeFileSync(join(folder, "forward"), "ann\n");
  symlinkSync("forward", join(folder, "link"));
  const read = (name: string, kind: "forward" | "include", limit = 1000) =>
    readDestinations({ path: join(folder, name), kind, limit }, owner);
  expect(read("forward", "forward")).toBe("ann\n");
  expect(read("link", "include")).toBe("ann\n");
  expect(() => read("link", "forward")).toThrow("link is not a regular file");
  expect(read("none", "forward")).toBeUndefined();
  expect(() => read("none", "include")).toThrow(/unable to lookup :include: file .*: No such file/);
  expect(() => read("forward", "forward", 3)).toThrow("larger than 3 bytes");
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
  const spies = [
    spyOn(fs, "fsync").mockImplementation(Object.assign(record, { __promisify__ })),
    spyOn(fs, "fsyncSync").mockImplementation((fd) => record(fd, () => {})),
  ];
  try {
    const maildir = join(folder, "example.org/ann/maildir");
    const options = { owner, hostname: "h.example", sizeLimit: 0 };
    await expect(deliverToMaildir(maildir, broken(), options)).rejects.toThrow("create maildir file");
    const maker = ["", "/example.org", "/example.org/ann", "/example.org/ann/maildir"];
    expect([...new Set(synced.splice(0))].filter((path) => !path.includes("/tmp/"))).toEqual(maker);
    await deliverToMaildir(maildir, message(), options);
    expect(synced.map((path) => path.replace(/[^/]+\.h\.example$/, "message"))).toEqual([
      "/example.org/ann/maildir/tmp/message",
      "/example.org/ann/maildir/new",
    ]);
  } finally {
    for (const spy of spies) spy.mockRestore();
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
