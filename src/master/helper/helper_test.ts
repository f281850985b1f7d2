import { expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MailTask, TaskResult } from "../../delivery/mailbox/writer.ts";
import { listen } from "../../platform/socket/connection.ts";
import type { ChildHandler, ChildOptions } from "../../platform/socket/child.ts";
import { HelperProcesses } from "./helper_processes.ts";
import { FRAME_LIMIT, frameHead, printLine, TaskReader } from "./helper_protocol.ts";
import { HelperSession } from "./helper.ts";
import { createHelperWriter } from "../../worker/services/helper_writer.ts";

const maildir: MailTask = { do: "maildir", path: "/home/ann/Maildir", hostname: "h", sizeLimit: 0 };

test("however a stream is cut, the task and its frames come out whole and in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.array(fc.integer({ min: 1, max: 20 })),
      (frames, cuts) => {
        const stream = Buffer.concat([
          Buffer.from(printLine({ task: maildir })),
          ...frames.flatMap((frame) => [frameHead(frame.length), Buffer.from(frame)]),
        ]);
        const reader = new TaskReader();
        const seen: string[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const size = cuts[i % Math.max(1, cuts.length)] ?? 7;
          for (const event of reader.push(stream.subarray(at, at + size))) {
            seen.push(
              "line" in event ? event.line : "frame" in event ? event.frame.toString("hex") : event.breach,
            );
          }
          at += size;
        }
        expect(seen).toEqual([
          JSON.stringify({ task: maildir }),
          ...frames.map((frame) => Buffer.from(frame).toString("hex")),
        ]);
      },
    ),
  );
});

test("a frame beyond the limit is a breach", () => {
  const reader = new TaskReader();
  const events = [...reader.push(Buffer.concat([Buffer.from("{}\n"), frameHead(FRAME_LIMIT + 1)]))];
  expect(events).toEqual([{ line: "{}" }, { breach: "frame too long" }]);
});

async function helperAt(perform: (message: () => AsyncIterable<Uint8Array>) => Promise<TaskResult>) {
  const folder = mkdtempSync(join(tmpdir(), "mta-helper-"));
  const path = join(folder, "1000.1000");
  let over = 0;
  const writer = {
    deliverTo: (_identity: unknown, _task: unknown, message: () => AsyncIterable<Uint8Array>) =>
      perform(message),
  };
  const listener = await listen(
    { path },
    { maxConnections: 8 },
    (connection) => new HelperSession(connection, writer, () => over++),
  );
  return {
    path,
    overs: () => over,
    close() {
      listener.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function writerTo(
  helper: () => Promise<string>,
  folder?: { uid: number; gid: number; groupWrites: boolean; othersWrite: boolean },
) {
  return createHelperWriter({
    own: { uid: 102, gid: 105 },
    ownWriter: { deliverTo: () => Promise.resolve({ is: "failed", code: "X", why: "own" }) },
    helper,
    standIn: { uid: 65_534, gid: 65_534 },
    ownership: () => folder,
  });
}

async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

test("a message reaches the helper whole, as often as it is asked for, and the result comes back", async () => {
  const big = Buffer.alloc(3 * FRAME_LIMIT + 17, "x");
  const sizes: number[] = [];
  const helper = await helperAt(async (message) => {
    for (let round = 0; round < 2; round++) {
      let size = 0;
      for await (const piece of message()) size += piece.length;
      sizes.push(size);
    }
    return { is: "exit", code: 75, output: "later" };
  });
  const result = await writerTo(() => Promise.resolve(helper.path))
    .deliverTo({ uid: 1000, gid: 1000 }, maildir, () => pieces(Buffer.from("abc"), big));
  expect(result).toEqual({ is: "exit", code: 75, output: "later" });
  expect(sizes).toEqual([big.length + 3, big.length + 3]);
  helper.close();
});

test("the process's own user needs no helper; a helper that master will not start is no right", async () => {
  const writer = writerTo(() => Promise.reject(new Error("not as root")));
  expect(await writer.deliverTo({ uid: 102, gid: 105 }, maildir, () => pieces())).toEqual({
    is: "failed",
    code: "X",
    why: "own",
  });
  expect(await writer.deliverTo({ uid: 1, gid: 1 }, maildir, () => pieces())).toEqual({
    is: "no right",
    why: "not as root",
  });
});

test("a helper that has just gone idle is asked for again; one that dies in the middle fails the delivery", async () => {
  const helper = await helperAt(() => Promise.resolve({ is: "done" }));
  let asked = 0;
  const writer = writerTo(() => Promise.resolve(++asked === 1 ? "/nonexistent/socket" : helper.path));
  expect(await writer.deliverTo({ uid: 1000, gid: 1000 }, maildir, () => pieces())).toEqual({ is: "done" });
  expect(asked).toBe(2);
  helper.close();
  const broken = await helperAt(() => Promise.reject(new Error("disk")));
  const failing = writerTo(() => Promise.resolve(broken.path)).deliverTo(
    { uid: 1000, gid: 1000 },
    maildir,
    () => pieces(),
  );
  await expect(failing).rejects.toThrow("disk");
  broken.close();
});

test("a mailbox in a spool folder that its group may write to is made with that group", async () => {
  const asked: unknown[] = [];
  const mbox: MailTask = {
    do: "mbox",
    path: "/var/mail/ann",
    locks: [],
    lockAttempts: 1,
    lockDelay: 1,
    staleLock: 1,
    sizeLimit: 0,
    strictOwner: true,
    anyFile: false,
    spool: true,
  };
  const writer = (groupWrites: boolean, othersWrite = false) =>
    createHelperWriter({
      own: { uid: 102, gid: 105 },
      ownWriter: { deliverTo: () => Promise.resolve({ is: "done" }) },
      helper: (identity) => {
        asked.push(identity);
        return Promise.reject(new Error("enough"));
      },
      standIn: { uid: 65_534, gid: 65_534 },
      ownership: () => ({ uid: 0, gid: 8, groupWrites, othersWrite }),
    });
  await writer(true).deliverTo({ uid: 1000, gid: 1000 }, mbox, () => pieces());
  await writer(false).deliverTo({ uid: 1000, gid: 1000 }, mbox, () => pieces());
  await writer(true).deliverTo({ uid: 0, gid: 0 }, mbox, () => pieces());
  await writer(true, true).deliverTo({ uid: 1000, gid: 1000 }, mbox, () => pieces());
  expect(asked).toEqual([
    { uid: 1000, gid: 8 },
    { uid: 1000, gid: 1000 },
    { uid: 65_534, gid: 8 },
    { uid: 1000, gid: 1000 },
  ]);
});

function helpersOf(owner: { uid: number; gid: number } | undefined) {
  const started: { options: ChildOptions; handler: ChildHandler }[] = [];
  const closed: string[] = [];
  const bugs: string[] = [];
  const helpers = new HelperProcesses({
    owner: () => owner,
    queueDirectory: "/q",
    openFolder: (path) => ({
      path,
      listen: () => 9,
      remove: (name) => void closed.push(`${path}/${name}`),
      close: () => {},
    }),
    closeSocket: () => {},
    spawn(options, handler) {
      started.push({ options, handler });
      return { pid: 5, backlog: 0, send: () => {}, kill: () => {} };
    },
    idle: () => 1000,
    bug: (what) => void bugs.push(what),
  });
  return { helpers, started, closed, bugs };
}

test("one helper for each user, with that user's identity; it is forgotten when it ends", () => {
  const { helpers, started, closed } = helpersOf({ uid: 102, gid: 105 });
  expect(helpers.socketFor(1000, 100)).toBe("/q/helpers/1000.100");
  expect(helpers.socketFor(1000, 100)).toBe("/q/helpers/1000.100");
  expect(started.map(({ options }) => options.identity)).toEqual([{ uid: 1000, gid: 100 }]);
  started[0]!.handler.exit({ code: 0, signal: null });
  expect(closed).toEqual(["/q/helpers/1000.100"]);
  helpers.socketFor(1000, 100);
  expect(started).toHaveLength(2);
});

test("no helper is root's or anything but a number's, and there is none without root", () => {
  const { helpers } = helpersOf({ uid: 102, gid: 105 });
  expect(() => helpers.socketFor(0, 8)).toThrow("mail is not delivered as root: give root an alias");
  for (const [uid, gid] of [[1000, 0], [-1, 5], [1.5, 5], [4_294_967_295, 5]] as const) {
    expect(() => helpers.socketFor(uid, gid)).toThrow("mail is not delivered with user id");
  }
  expect(() => helpersOf(undefined).helpers.socketFor(1000, 100)).toThrow("does not run as root");
});

/** A helper in the hands of its user: says what it likes. */
async function hostileHelper(say: (write: (text: string) => void) => void) {
  const folder = mkdtempSync(join(tmpdir(), "mta-helper-"));
  const path = join(folder, "1000.1000");
  const listener = await listen({ path }, { maxConnections: 8 }, (connection) => ({
    data: () => say((text) => void connection.write(text)),
    end: () => connection.destroy(),
    drain: () => {},
    timeout: () => {},
    close: () => {},
  }));
  const close = () => (listener.close(), rmSync(folder, { recursive: true }));
  return { path, close };
}

test("a helper that its user has in his hands is heard for a bounded number of lines of bounded length", async () => {
  const cases: [string, (write: (text: string) => void) => void, string][] = [
    ["a line without end", (write) => {
      for (let i = 0; i < 20; i++) write("x".repeat(1024 * 1024));
    }, "says more than it may"],
    ["no JSON", (write) => write("done\n"), "malformed answer"],
    ["a result that is none", (write) => write('{"result":{"is":"exit","code":"0"}}\n'), "malformed answer"],
    ["deep nesting", (write) => write(`${"[".repeat(1_000_000)}\n`), "malformed answer"],
    ["the message again and again", (write) => write('{"message":true}\n'.repeat(1000)), "malformed answer"],
  ];
  for (const [, say, why] of cases) {
    const helper = await hostileHelper(say);
    const delivery = writerTo(() => Promise.resolve(helper.path))
      .deliverTo({ uid: 1000, gid: 1000 }, maildir, () => pieces(Buffer.from("abc")));
    const result = await delivery;
    expect(result).toMatchObject({ is: "failed", code: "EAGAIN" });
    expect(result.is === "failed" ? result.why : "").toContain(why);
    helper.close();
  }
});

test("what a helper tells master is written down a few times, whatever it is", () => {
  const { started, bugs, helpers } = helpersOf({ uid: 102, gid: 105 });
  helpers.socketFor(1000, 100);
  const { message } = started[0]!.handler;
  message(JSON.stringify({ is: "bug", what: "oops" }));
  for (let i = 0; i < 1000; i++) message("nonsense");
  expect(bugs).toHaveLength(10);
  expect(bugs[0]).toBe("delivery helper 1000.100: oops");
  expect(bugs[1]).toBe("delivery helper 1000.100: JSON expected");
  expect(started[0]!.options.longestMessage).toBeLessThan(64 * 1024);
});
