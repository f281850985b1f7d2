import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { fakeWorld } from "../../test/kit/memory/config_world.ts";
import { until } from "../../test/kit/waiting.ts";
import { loadConfiguration } from "../config/load.ts";
import type { ChildHandler } from "../platform/socket/child.ts";
import { Master } from "./master.ts";
import type { MasterWorld } from "./master_world.ts";

/** A master whose workers only say that they serve: nobody hears of their ends, nor of `kill`. */
function masterOf() {
  const clock = fakeClock();
  const children: ChildHandler[] = [];
  const texts = {
    main: "myhostname = mx.example.com\nqueue_directory = /q\ndata_directory = /d\nshutdown_deadline = 6s\n" +
      "worker_processes = 2\nmaillog_file = /dev/null\nmaillog_file_prefixes = /dev\n",
    master: "127.0.0.1:2525 inet n - n - - smtpd\n",
    overrides: [],
  };
  const loaded = loadConfiguration({ directory: "/etc/mta", texts });
  if (loaded.is === "bad") throw new Error("no configuration");
  const absent = () => {
    throw new Error("not asked for");
  };
  const world: MasterWorld = {
    world: fakeWorld(),
    sockets: { open: () => openSync("/dev/null", "r"), close: closeSync },
    uid: 1000,
    gid: 1000,
    pid: 42,
    hostName: "mx",
    processors: 2,
    environment: {},
    userByName: () => undefined,
    spawn(_options, handler) {
      children.push(handler);
      return { pid: 100 + children.length, backlog: 0, send: () => {}, kill: () => {} };
    },
    openSocketFolder: absent,
    openQueueSocket: absent,
    closeSocket: () => {},
    raiseOpenFiles: (wanted) => wanted,
    prepareDirectories: () => [],
    closeFile: closeSync,
    bytesToLend: () => undefined,
    isOutOfReach: () => true,
    authoritiesIn: () => [],
    identityOf: () => undefined,
    bansIn: () => ({ read: () => undefined, write: () => {} }),
    after: (milliseconds, call) => clock.after(milliseconds, call),
    now: () => clock.now(),
  };
  const options = { configDirectory: "/etc/mta", foreground: true, journal: false };
  const master = new Master(options, world, loaded.configuration);
  const notes: string[] = [];
  const started = master.start([]).then(() => {
    const { log } = master;
    const note = log.note.bind(log);
    log.note = (program, level, text) => (notes.push(`${level}: ${text}`), note(program, level, text));
  });
  return { master, clock, children, started, notes };
}

/** How a stop went, "not yet" before it is over. */
function followed(stopped: Promise<boolean>): () => boolean | "not yet" {
  let outcome: boolean | "not yet" = "not yet";
  void stopped.then((complete) => outcome = complete);
  return () => outcome;
}

for (const abort of [false, true]) {
  test(`a stop whose workers do not end though they are killed is given up (${abort ? "abort" : "stop"})`, async () => {
    const { master, clock, children, started, notes } = masterOf();
    await until("both workers", () => children.length === 2);
    for (const child of children) child.message('{"is":"ready"}');
    await started;
    const outcome = followed(master.stopped);
    const stop = master.stop(abort);
    await clock.advance(15_999);
    expect(outcome()).toBe("not yet");
    await clock.advance(1);
    expect(outcome()).toBe(false);
    await stop;
    expect(notes).toEqual(["error: the stop is given up, these processes do not end: 101, 102"]);
  });
}

test("a stop in the middle of a start is over when the workers are gone, and nothing is given up later", async () => {
  const { master, clock, children, started, notes } = masterOf();
  await until("both workers", () => children.length === 2);
  children[0]!.message('{"is":"ready"}');
  const outcome = followed(master.stopped);
  const stop = master.stop(false);
  for (const child of children) child.exit({ code: 0, signal: null });
  await Promise.all([stop, started]);
  expect(outcome()).toBe(true);
  await clock.advance(60_000);
  expect(notes).toEqual([]);
});
