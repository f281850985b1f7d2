import { expect, test } from "bun:test";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import { Generation, type GenerationHost, type GenerationPlan } from "./generation.ts";
import type { FromWorker, ToWorker } from "../worker/protocol/worker_protocol.ts";

interface Fake {
  readonly options: ChildOptions;
  readonly handler: ChildHandler;
  readonly sent: ToWorker[];
  killed: boolean;
}

function house(workers: number, keys: Readonly<Record<string, string>> = {}) {
  const children: Fake[] = [];
  const timers: { at: number; call: () => void; live: boolean }[] = [];
  const crashes: number[] = [];
  let now = 0;
  const host: GenerationHost = {
    spawn(options, handler): Child {
      const fake: Fake = { options, handler, sent: [], killed: false };
      children.push(fake);
      return {
        pid: 100 + children.length,
        backlog: 0,
        send: (line) => void fake.sent.push(JSON.parse(line)),
        kill: () => {
          fake.killed = true;
          handler.exit({ code: null, signal: "SIGKILL" });
        },
      };
    },
    after(milliseconds, call) {
      const timer = { at: now + milliseconds, call, live: true };
      timers.push(timer);
      return () => timer.live = false;
    },
    now: () => now,
    crashed: (_pid, _how, restartIn) => void crashes.push(restartIn),
    metrics: () => {},
    request: () => Promise.reject(new Error("not asked")),
    malformed: () => {},
    silent: () => {},
    answersAgain: () => {},
    forget: () => {},
  };
  const plan: GenerationPlan = {
    configuration: { directory: "/etc/mta", texts: { main: "", master: "", overrides: [] } },
    keys,
    workers,
    endpoints: [{ address: "127.0.0.1", port: 25, service: 2, optional: false }],
    sockets: { of: () => [50, 51, 52], commit: () => {}, rollback: () => {} },
    log: { is: "descriptor", fd: 7 },
    environment: {},
    openFiles: 1024,
    workerTimeout: 3_600_000,
  };
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const timer of timers) {
      if (!timer.live || timer.at > now) continue;
      timer.live = false;
      timer.call();
    }
  };
  return { generation: new Generation(plan, host), children, crashes, pass };
}

const say = (fake: Fake, message: FromWorker) => fake.handler.message(JSON.stringify(message));
const ready = (fake: Fake) => say(fake, { is: "ready" });
const bootOf = (fake: Fake) => {
  const [first] = fake.sent;
  if (first?.is !== "boot") throw new Error("no boot message");
  return first.boot;
};

test("each worker gets its share of the sockets", () => {
  const { generation, children } = house(2);
  void generation.start();
  expect(children.map((child) => child.options.inherit)).toEqual([[7, 50, 52], [7, 51]]);
  expect(bootOf(children[0]!).listeners.map(({ fd, service }) => [fd, service])).toEqual([[5, 2], [6, 2]]);
});

test("start() waits for all workers", async () => {
  const { generation, children } = house(2);
  let started = false;
  const start = generation.start().then(() => started = true);
  ready(children[0]!);
  await Promise.resolve();
  expect(started).toBe(false);
  ready(children[1]!);
  await start;
  expect(generation.complete).toBe(true);
});

test("a worker that cannot work fails the start, and none is left", async () => {
  const { generation, children } = house(2);
  const start = generation.start();
  ready(children[0]!);
  say(children[1]!, { is: "unfit", why: "no table" });
  await expect(start).rejects.toThrow("no table");
  expect(children.every(({ killed }) => killed)).toBe(true);
});

test("a killed worker starts again at once; one that keeps dying waits longer and longer", async () => {
  const { generation, children, crashes, pass } = house(1);
  const start = generation.start();
  ready(children[0]!);
  await start;
  for (let i = 0; i < 4; i++) {
    children.at(-1)!.handler.exit({ code: 1, signal: null });
    pass(10_000);
    ready(children.at(-1)!);
  }
  expect(crashes).toEqual([0, 500, 1000, 2000]);
  expect(children).toHaveLength(5);
});

test("files of TLS that have changed are lent to those that serve and to those that are started later", async () => {
  const { generation, children, pass } = house(1, { "/key": "old", "/other": "as it was" });
  const start = generation.start();
  ready(children[0]!);
  await start;
  expect(bootOf(children[0]!).configuration.texts.keys).toEqual({ "/key": "old", "/other": "as it was" });
  generation.lend({ "/key": "new" });
  expect(children[0]!.sent.at(-1)).toEqual({ is: "keys", keys: { "/key": "new", "/other": "as it was" } });
  children[0]!.handler.exit({ code: 1, signal: null });
  pass(10_000);
  expect(bootOf(children[1]!).configuration.texts.keys).toEqual({ "/key": "new", "/other": "as it was" });
});

test("a worker that lived long dies as if for the first time", async () => {
  const { generation, children, crashes, pass } = house(1);
  const start = generation.start();
  ready(children[0]!);
  await start;
  for (let i = 0; i < 3; i++) {
    pass(60_000);
    children.at(-1)!.handler.exit({ code: null, signal: "SIGKILL" });
    pass(0);
  }
  expect(crashes).toEqual([0, 0, 0]);
});

test("a drain ends when all have gone; the one that hangs is killed after the deadline", async () => {
  const { generation, children, pass } = house(2);
  const start = generation.start();
  children.forEach(ready);
  await start;
  const drained = generation.drain(1000, true);
  expect(children.map(({ sent }) => sent.at(-1))).toEqual([{ is: "drain", within: 1000, hurry: true }, {
    is: "drain",
    within: 1000,
    hurry: true,
  }]);
  children[0]!.handler.exit({ code: 0, signal: null });
  pass(2999);
  expect(children[1]!.killed).toBe(false);
  pass(1);
  await drained;
  expect(children[1]!.killed).toBe(true);
});

test("a question to a worker that dies is answered with a failure", async () => {
  const { generation, children, pass } = house(1);
  const start = generation.start();
  ready(children[0]!);
  await start;
  const question = generation.serving[0]!.ask("probe", {}, { timeout: 1000 });
  children[0]!.handler.exit({ code: null, signal: "SIGKILL" });
  pass(0);
  await expect(question).rejects.toThrow("ended");
});

test("a start that fails while it is told to end keeps nobody waiting", async () => {
  const { generation, children } = house(2);
  const started = generation.start().catch((error: Error) => error.message);
  ready(children[0]!);
  const drained = generation.drain(1000, true);
  say(children[1]!, { is: "unfit", why: "no table" });
  await Promise.resolve();
  for (const { handler } of children) handler.exit({ code: 0, signal: null });
  await Promise.all([drained, generation.gone]);
  expect(await started).toBe("no table");
});

test("a generation that is told to end while its failed start is being ended keeps nobody waiting", async () => {
  const { generation, children } = house(1);
  // Killed, and not gone yet.
  const started = generation.start().catch((error: Error) => error.message);
  const { handler } = children[0]!;
  const exit = handler.exit.bind(handler);
  handler.exit = () => {};
  handler.message(JSON.stringify({ is: "unfit", why: "no table" }));
  await Promise.resolve();
  const drained = generation.drain(1000, true);
  exit({ code: null, signal: "SIGKILL" });
  await Promise.all([drained, generation.gone]);
  expect(await started).toBe("no table");
});

test("a start that is told to end before all serve waits for nobody", async () => {
  const { generation, children } = house(2);
  const started = generation.start();
  ready(children[0]!);
  const drained = generation.drain(1000, true);
  for (const { handler } of children) handler.exit({ code: 0, signal: null });
  await Promise.all([started, drained, generation.gone]);
  expect(generation.serving).toEqual([]);
});
