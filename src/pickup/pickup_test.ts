import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { drop, type DropOptions, dropped, untilTaken } from "../../test/kit/drops.ts";
import { type FakeClock, fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { type MemoryCleanup, memoryCleanup } from "../../test/kit/memory/memory_cleanup.ts";
import { type MemoryLog, memoryLog } from "../../test/kit/memory/memory_log.ts";
import { type MemoryStore, memoryStore } from "../../test/kit/memory/memory_store.ts";
import { withPeers } from "../../test/kit/peers.ts";
import { until } from "../../test/kit/waiting.ts";
import { internalAddress } from "../address/address.ts";
import type { NoticeSubject, ReportedRecipient } from "../bounce/bouncer.ts";
import { QueueFault } from "../queue/store.ts";
import { defer, refuse } from "../smtp/reply.ts";
import { LARGEST_KEPT, MOST_KEPT } from "./bad_drops.ts";
import { dropFolder, newDropName } from "./drop/drop_folder.ts";
import { writeDrop } from "./drop/drop_writer.ts";
import { createPickup, type Pickup } from "./pickup.ts";
import type { PickupDeps } from "./pickup_deps.ts";

setDefaultTimeout(120_000);
const { test: withLeases } = withPeers(import.meta.path, "perl");
let queue: string;
let folder: string;
let log: MemoryLog;
let cleanup: MemoryCleanup;
let store: MemoryStore & { trouble?: unknown };
let clock: FakeClock;
let refusal: QueueFault | undefined;
let running: Pickup[];
const returned: { readonly subject: NoticeSubject; readonly entries: readonly ReportedRecipient[] }[] = [];

beforeEach(() => {
  queue = fs.mkdtempSync(join(os.tmpdir(), "mta-pickup-"));
  folder = dropFolder(queue);
  fs.mkdirSync(folder);
  [log, cleanup, clock] = [memoryLog(), memoryCleanup(), fakeClock(Date.now())];
  store = memoryStore(() => clock.now());
  refusal = undefined;
  running = [];
  returned.length = 0;
});
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()));
  fs.rmSync(queue, { recursive: true, force: true });
});

function start(more: Partial<PickupDeps> = {}, settings: Partial<PickupDeps["settings"]> = {}): Pickup {
  const pickup = createPickup({
    settings: {
      authorized_submit_users: "static:anyone",
      cleanup_replace_stray_cr_lf: true,
      content_filter: "",
      delay_logging_resolution_limit: 2,
      mail_name: "Postfix",
      message_size_limit: 100_000,
      myhostname: "mail.example.com",
      queue_directory: queue,
      soft_bounce: false,
      local_login_sender_maps: "static:*",
      empty_address_local_login_sender_maps_lookup_key: "<>",
      recipient_delimiter: "",
      owner_request_special: true,
      ...settings,
    },
    cleanup,
    bouncer: {
      failed: (subject, entries) => {
        returned.push({ subject, entries });
        return Promise.resolve(true);
      },
    },
    rewriter: {
      standardForm: (address) => internalAddress(address.includes("@") ? address : `${address}@example.com`),
    },
    store: { newId: () => store.newId(), custody: store.custody, refusal: () => refusal },
    loginName: () => "ann",
    submitRefusal: () => Promise.resolve(undefined),
    senderRefusal: () => undefined,
    log,
    cleanupLog: log,
    clock,
    wakeup: 86_400,
    index: 0,
    workers: 1,
    ...more,
  });
  running.push(pickup);
  pickup.start();
  return pickup;
}

const warnings = () => log.lines.filter((line) => line.includes("warning"));

async function taken(count: number): Promise<string[]> {
  await until(
    () => `${count} messages where there are ${cleanup.submitted.length}: ${log.lines}`,
    () => cleanup.submitted.length >= count,
  );
  return cleanup.submitted.map(({ text }) => text);
}

async function said(pattern: RegExp): Promise<void> {
  await until(
    () => `${pattern} in ${log.lines.join("\n")}`,
    () => log.lines.some((line) => pattern.test(line)),
  );
}

/** What cleanup gets of a content. */
async function contentOf(content: string | Uint8Array, envelope: DropOptions = {}): Promise<string> {
  const before = cleanup.submitted.length;
  drop(queue, { ...envelope, content });
  const text = (await taken(before + 1))[before]!;
  expect(text).toMatch(/^Received: by mail\.example\.com \(Postfix, from userid \d+\)\r\n\tid \w+; .*\r\n/);
  return text.split("\r\n").slice(2).join("\r\n");
}

test("content reaches cleanup in wire form, and never goes on with our own header", async () => {
  start();
  expect(await contentOf("Subject: x\n\nline\nlast")).toBe("Subject: x\r\n\r\nline\r\nlast\r\n");
  expect(await contentOf("a\rb\r\n\n.\n..\n")).toBe("a b\r\n\r\n.\r\n..\r\n");
  expect(await contentOf(" blank first\n\n")).toBe("\r\n blank first\r\n\r\n");
  expect(await contentOf("")).toBe("");
  const long = `${"x".repeat(65_536)}\r\n${"y".repeat(1000)}\n`;
  expect(await contentOf(long)).toBe(long.replace(/\r?\n/g, "\r\n"));
});

test("what the drop says of the message is what cleanup hears", async () => {
  start();
  drop(queue, {
    sender: "bob",
    fullName: "Bob B.",
    ret: "HDRS",
    envid: "e1",
    body: "8BITMIME",
    verp: "+=",
    reportDelivery: true,
    relayed: true,
    to: ["carl", "dan@example.org"],
  });
  await taken(1);
  drop(queue, { to: ["carl"] });
  await taken(2);
  const [first, second] = cleanup.submitted.map(({ submission }) => submission);
  expect(first).toMatchObject({
    sender: "bob@example.com",
    recipients: [
      { address: "carl@example.com", original: "carl", notify: 0 },
      { address: "dan@example.org", original: "dan@example.org", notify: 0 },
    ],
    origin: { uid: process.getuid!() },
    fullName: "Bob B.",
    ret: "HDRS",
    envid: "e1",
    body: "8BITMIME",
    verp: "+=",
    trace: "record",
    completeHeaders: false,
    signs: false,
  });
  expect(second).toMatchObject({ sender: "ann@example.com", completeHeaders: true, signs: true });
  expect(log.lines.filter((line) => line.includes("uid="))).toHaveLength(2);
});

test("a message that is refused for good goes back to its sender, one for now waits, ever longer, and is lost in no case", async () => {
  cleanup.refuse = (text) =>
    text.includes("bad")
      ? refuse(550, "5.7.1", "no such")
      : text.includes("later")
      ? defer(451, "4.3.0", "not now")
      : undefined;
  start();
  drop(queue, { sender: "bob", to: ["carl"], content: "Subject: bad\n\ntext\n" });
  drop(queue, { content: "Subject: later\n\ntext\n" });
  await said(/not now; again in 1 s/);
  await until("the notice", () => returned.length === 1);
  const { subject, entries } = returned[0]!;
  expect(subject.envelope).toMatchObject({ sender: "bob@example.com", ret: "HDRS" });
  expect(entries).toMatchObject([{
    recipient: { address: "carl@example.com" },
    detail: { status: "5.7.1", text: "no such" },
  }]);
  const pieces: Buffer[] = [];
  for await (const piece of subject.content.chunks()) pieces.push(Buffer.from(piece));
  expect(Buffer.concat(pieces).toString()).toMatch(/^Received: .*\r\n.*\r\nSubject: bad\r\n\r\ntext\r\n$/);
  await said(
    /cleanup: \w+: to=<carl@example.com>, orig_to=<carl>, relay=none, .* dsn=5.7.1, status=bounced \(no such\)/,
  );
  let attempts = 0;
  cleanup.refuse = () => {
    attempts++;
    return defer(451, "4.3.0", "not now");
  };
  for (const [wait, count] of [[999, 0], [2, 1], [1990, 1], [20, 2]] as const) {
    await clock.advance(wait);
    await until(() => `${count} attempts where there are ${attempts}`, () => attempts >= count);
    expect(attempts).toBe(count);
  }
  expect(warnings()).toHaveLength(1);
  cleanup.refuse = undefined;
  await clock.advance(60_000);
  expect((await taken(1))[0]).toContain("Subject: later");
  expect(fs.readdirSync(join(queue, "custody"))).toEqual([]);
});

test("with soft_bounce nothing goes back", async () => {
  cleanup.refuse = () => refuse(550, "5.7.1", "no such");
  start({}, { soft_bounce: true });
  drop(queue);
  await said(/local mail waits: 550 5.7.1 no such; again in 1 s/);
  expect(returned).toEqual([]);
  cleanup.refuse = undefined;
  await clock.advance(1000);
  await taken(1);
});

test("while the queue takes no mail everything stays where it is, is said once, and then goes on", async () => {
  refusal = new QueueFault("take mail", "disk full", { kind: "full" });
  start();
  for (let k = 0; k < 20; k++) drop(queue);
  await said(/warning: local mail waits: Cannot take mail: disk full/);
  await clock.advance(30_000);
  expect(dropped(queue)).toHaveLength(20);
  expect(warnings()).toHaveLength(1);
  refusal = undefined;
  await clock.advance(60_000);
  await taken(20);
  await untilTaken(queue);
});

/** A file that is no good drop, of a name that one has. */
function put(
  make: (path: string) => void,
  name = newDropName(Date.now(), crypto.getRandomValues(new Uint8Array(16))),
): string {
  make(join(folder, name));
  return name;
}

test("whatever else is put there is taken away, named once, and the mail beside it is taken", async () => {
  const whole = (path: string, bytes: string | Uint8Array) => fs.writeFileSync(path, bytes, { mode: 0o740 });
  fs.writeFileSync(join(queue, "elsewhere"), "text");
  const names = [
    put((path) => whole(path, "junk")),
    put((path) => whole(path, "")),
    put((path) => fs.symlinkSync(join(queue, "elsewhere"), path)),
    put((path) => spawnSync("mkfifo", [path])),
    put((path) => fs.linkSync(join(queue, "elsewhere"), path)),
    put((path) => whole(path, "x"), "name"),
    put((path) => whole(path, "x"), "bad\nname\x1b[31m"),
    put((path) => {
      whole(path, "");
      fs.truncateSync(path, 1e13);
    }),
  ];
  drop(queue, { to: [] });
  start();
  drop(queue, { content: "Subject: good\n\n" });
  await taken(1);
  await untilTaken(queue);
  expect(warnings()).toHaveLength(names.length + 1);
  for (const line of warnings()) {
    expect(line).toMatch(
      /^pickup: warning: [^\n\x1b]*: uid=\d+: dropped mail is not taken: [^\n\x1b]+; (removed|kept as [^\n\x1b]+)$/,
    );
  }
  expect(fs.readFileSync(join(queue, "elsewhere"), "utf8")).toBe("text");
  for (const name of fs.readdirSync(join(queue, "mta/bad-drops"))) {
    expect(fs.statSync(join(queue, "mta/bad-drops", name)).blocks * 512).toBeLessThanOrEqual(LARGEST_KEPT);
  }
});

test("a name that is no text stops nothing, and is taken away", async () => {
  const bytes = (length: number) => Buffer.concat([Buffer.from(`${folder}/`), Buffer.alloc(length, 0xff)]);
  fs.writeFileSync(bytes(20), "junk");
  fs.writeFileSync(bytes(255), "junk"); // too long for a name when its bytes are characters
  fs.mkdirSync(bytes(254));
  drop(queue);
  const pickup = start();
  await taken(1);
  fs.writeFileSync(bytes(253), "junk");
  drop(queue);
  await taken(2);
  pickup.look();
  await untilTaken(queue);
  expect(warnings()).toHaveLength(3);
  for (const line of warnings()) expect(line).toEndWith("its name is none of a drop; removed");
});

/** Takes a lease on a file (F_SETLEASE, for writing), says so, and keeps it. */
const LEASE = `
  $| = 1;
  $SIG{IO} = "IGNORE";
  open(my $file, "+<", $ARGV[0]) or die;
  fcntl($file, 1024, 1) or die "$!";
  print "held\\n";
  sleep(100);
`;

withLeases("a drop that its owner keeps from being opened is not waited for", async () => {
  drop(queue);
  const [name] = dropped(queue);
  const owner = spawn("/usr/bin/perl", ["-e", LEASE, join(folder, name!)]);
  try {
    await new Promise((resolve, reject) => {
      owner.stdout.once("data", resolve);
      owner.once("exit", () => reject(new Error("no lease")));
    });
    start();
    await said(/uid=\d+: dropped mail is not taken: /);
    expect(log.lines.filter((line) => line.includes("local mail waits"))).toEqual([]);
    await untilTaken(queue);
  } finally {
    owner.kill("SIGKILL");
  }
});

test("a flood of what is no drop leaves a bounded rest and a log that can be read", async () => {
  const count = 3000;
  for (let k = 0; k < count; k++) put((path) => fs.writeFileSync(path, "junk", { mode: 0o740 }), `junk ${k}`);
  start();
  drop(queue);
  await untilTaken(queue);
  await taken(1);
  expect(fs.readdirSync(join(queue, "mta/bad-drops"))).toHaveLength(MOST_KEPT);
  expect(warnings()).toHaveLength(20);
  await clock.advance(60_000);
  await said(new RegExp(`warning: ${count - 20} more like that within a minute, the last: junk \\d+: uid=`));
});

test("folders with something in them cannot be removed: they are told once, and stop nothing", async () => {
  for (const name of ["a", "b"]) fs.mkdirSync(join(folder, name, "inner"), { recursive: true });
  fs.mkdirSync(join(folder, "empty"));
  const pickup = start();
  drop(queue);
  await taken(1);
  await said(/warning: 2 folders of users where drops are made, such as [ab]: remove them/);
  for (let k = 0; k < 3; k++) {
    pickup.look();
    await clock.advance(1);
  }
  expect(dropped(queue)).toEqual(["a", "b"]);
  expect(warnings()).toHaveLength(1);
  for (const name of ["a", "b"]) fs.rmSync(join(folder, name), { recursive: true });
});

test("an unfinished drop is let be for a day, taken when it is finished, and taken away when it never is", async () => {
  const pickup = start();
  const writer = writeDrop(queue, { time: Date.now(), sender: "slow" });
  writer.recipient({ address: "carl" });
  writer.content(Buffer.from("Subject: slow\n"));
  const never = writeDrop(queue, { time: Date.now(), sender: "never" });
  drop(queue);
  await taken(1);
  await clock.advance(60_000);
  pickup.look();
  await clock.advance(10);
  expect(dropped(queue)).toHaveLength(2);
  writer.finish();
  expect((await taken(2))[1]).toContain("Subject: slow");
  await clock.advance(86_400_000 - 120_000);
  pickup.look();
  await clock.advance(10);
  expect(dropped(queue)).toHaveLength(1);
  await clock.advance(120_000);
  pickup.look();
  await untilTaken(queue);
  await said(/uid=\d+: dropped mail is not taken: it was never finished/);
  never.discard();
});

test("a drop whose owner writes to it while it is read becomes no message", async () => {
  let changes = 0;
  start({
    // Between its summary and its content.
    senderRefusal: () => {
      const [id] = fs.readdirSync(join(queue, "custody"));
      const fd = fs.openSync(join(queue, "custody", id!), "r+");
      fs.writeSync(fd, "XXXX", 30_000 + 40_000 * changes++);
      fs.closeSync(fd);
      return undefined;
    },
  });
  drop(queue, { content: "x".repeat(99_000) });
  await said(/dropped mail is not taken: its content does not fit its end record/);
  expect([cleanup.submitted.length, changes]).toEqual([0, 1]);
  await untilTaken(queue);
});

test("with several workers each drop becomes one message, also those of a worker that is gone", async () => {
  for (let k = 0; k < 100; k++) drop(queue, { time: 1, content: `Subject: old ${k}\n\n` });
  start({ index: 0, workers: 3 });
  start({ index: 2, workers: 3 });
  start({ index: 0, workers: 1 }); // of a generation that is ending
  await taken(100);
  for (let k = 0; k < 100; k++) drop(queue, { content: `Subject: new ${k}\n\n` });
  await taken(200);
  await untilTaken(queue);
  const subjects = cleanup.submitted.map(({ text }) => /Subject: (.*)/.exec(text)![1]);
  expect(new Set(subjects).size).toBe(200);
  expect(cleanup.submitted).toHaveLength(200);
});

test("a message that is too large is not read to its end, and goes back", async () => {
  let written = 0;
  const whole = cleanup.begin.bind(cleanup);
  start({
    cleanup: {
      begin(submission) {
        const message = whole(submission);
        return {
          ...message,
          get size() {
            return written;
          },
          write: (bytes) => void (written += bytes.length),
          commit: () =>
            Promise.resolve({ is: "refused", reply: refuse(552, "5.3.4", "Error: message file too big") }),
        };
      },
    },
  });
  drop(queue, { content: Buffer.alloc(2_000_000, "x") });
  await until("the notice", () => returned.length === 1);
  expect(written).toBeLessThan(200_000);
  expect(returned[0]!.entries[0]!.detail).toMatchObject({ status: "5.3.4", text: "message file too big" });
});

test("where there is no folder of drops yet, mail is taken soon after there is one", async () => {
  fs.rmdirSync(folder);
  start();
  await said(/warning: cannot watch .*\/drop: /);
  fs.mkdirSync(folder);
  drop(queue);
  await until("the message", async () => {
    await clock.advance(1000);
    return cleanup.submitted.length === 1;
  });
  // It is watched from now on.
  drop(queue);
  await taken(2);
});
