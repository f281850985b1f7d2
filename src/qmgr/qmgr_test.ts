import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import { type Clock, goingOn } from "../base/clock.ts";
import { ServiceEnd } from "../base/ending.ts";
import type { ReportedRecipient } from "../bounce/bouncer.ts";
import type { Agent, DeliveryJob, DeliveryReport, Outcome } from "../delivery/agent.ts";
import type { Envelope, QueueId, Recipient } from "../queue/envelope.ts";
import { fakeClock, settle } from "../../test/kit/memory/fake_clock.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import { contentOf, memoryStore } from "../../test/kit/memory/memory_store.ts";
import { moves } from "../../test/kit/memory/moves.ts";
import { createQmgr, type QmgrDeps } from "./qmgr.ts";
import type { Probe } from "./probe.ts";
import type { Requeue } from "./requeue.ts";
import type { QmgrSettings } from "./qmgr_settings.ts";

const SETTINGS: QmgrSettings = {
  qmgr_message_active_limit: 20000,
  qmgr_message_recipient_limit: 20000,
  minimal_backoff_time: 300,
  maximal_backoff_time: 4000,
  queue_run_delay: 300,
  maximal_queue_lifetime: 432000,
  bounce_queue_lifetime: 432000,
  delay_warning_time: 0,
  confirm_delay_cleared: false,
  defer_transports: "",
  transport_retry_time: 60,
  recipient_delimiter: "+",
  double_bounce_sender: "double-bounce",
  address_verify_negative_cache: true,
  soft_bounce: false,
  default_filter_nexthop: "",
  delay_logging_resolution_limit: 2,
  default_destination_concurrency_limit: 20,
  initial_destination_concurrency: 5,
  default_destination_concurrency_positive_feedback: "1",
  default_destination_concurrency_negative_feedback: "1",
  default_destination_concurrency_failed_cohort_limit: 1,
  default_destination_recipient_limit: 50,
  default_destination_rate_delay: 0,
  default_transport_rate_delay: 0,
};

interface Pending {
  readonly job: DeliveryJob;
  readonly signal: AbortSignal;
  finish(report: DeliveryReport): void;
}

const SENT: Outcome = {
  is: "sent",
  relay: "mx[192.0.2.1]:25",
  detail: { status: "2.0.0", text: "250 Ok", action: "relayed" },
};
const BOUNCED: Outcome = {
  is: "bounced",
  relay: "mx[192.0.2.1]:25",
  detail: { status: "5.1.1", text: "no such user", action: "failed" },
};
const REFUSED = {
  status: "4.4.1",
  text: "connect to mx[192.0.2.1]:25: Connection refused",
  action: "delayed",
} as const;
const UNREACHED: Outcome = { is: "deferred", relay: "none", detail: REFUSED };

const all = (job: DeliveryJob, outcome: Outcome, more: Partial<DeliveryReport> = {}): DeliveryReport => ({
  outcomes: job.recipients.map(() => outcome),
  setup: 0,
  transmission: 0,
  ...more,
});

/** An end within ten seconds. */
function ending(clock: Pick<Clock, "after">, { hurry }: { readonly hurry: boolean }): ServiceEnd {
  const end = new ServiceEnd(clock);
  end.begin(10_000, hurry);
  return end;
}

interface RigOptions {
  /** The agent goes on after an abort, as one that has handed over. */
  readonly hands?: boolean;
  readonly settings?: Partial<QmgrSettings>;
  readonly parameters?: Record<string, string>;
  readonly processLimit?: number;
  readonly hooks?: QmgrDeps["hooks"];
  /** Answers at once; without it the test finishes deliveries by hand. */
  readonly answer?: (job: DeliveryJob) => DeliveryReport;
  readonly bounceFails?: boolean;
  /** The clock is set back by so many milliseconds when the store is open and the queue manager has not begun. */
  readonly setBack?: number;
  /** What becomes of messages that are to go through cleanup(8) again. */
  readonly requeue?: Requeue;
}

function rig(options: RigOptions = {}) {
  const clock = fakeClock();
  const waitingNow = goingOn(clock.now);
  const store = memoryStore(waitingNow);
  const log = memoryLog();
  waitingNow();
  if (options.setBack !== undefined) clock.step(-options.setBack);
  const pending: Pending[] = [];
  const told: { what: string; entries: readonly ReportedRecipient[] }[] = [];
  const agent: Agent = {
    program: "smtp",
    deliver(job, signal) {
      if (options.answer !== undefined) return Promise.resolve(options.answer(job));
      return new Promise((resolve, reject) => {
        if (options.hands !== true) signal.addEventListener("abort", () => reject(signal.reason));
        const entry: Pending = {
          job,
          signal,
          finish(report) {
            pending.splice(pending.indexOf(entry), 1);
            resolve(report);
          },
        };
        pending.push(entry);
      });
    },
    close: async () => {},
  };
  const tell = (what: string) => async (_: unknown, entries: readonly ReportedRecipient[]) => {
    told.push({ what, entries });
    return options.bounceFails !== true;
  };
  const qmgr = createQmgr({
    store,
    router: {
      route: (_, recipient) => {
        const nexthop = recipient.slice(recipient.indexOf("@") + 1);
        const transport = nexthop.startsWith("no.")
          ? "nosuch"
          : nexthop.startsWith("slow.")
          ? "slow"
          : "smtp";
        return {
          is: "route",
          class: nexthop === "example.com" ? "local" : "default",
          transport,
          nexthop,
          recipient: internalAddress(recipient),
        };
      },
    },
    agents: (name) => name === "nosuch" ? undefined : agent,
    processLimit: () => options.processLimit ?? 100,
    bounce: {
      failed: tell("failed"),
      delayed: tell("delayed"),
      succeeded: tell("succeeded"),
      traced: tell("traced"),
    },
    requeue: options.requeue ?? (() => Promise.resolve({ is: "later" })),
    log,
    transports: ["smtp", "slow"],
    clock,
    ...(options.setBack !== undefined && { waitingNow }),
    random: () => 0,
    settings: { ...SETTINGS, ...options.settings },
    parameter: (name) => options.parameters?.[name],
    hooks: options.hooks,
  });
  let count = 0;
  const put = (recipients: readonly string[], more: Partial<Envelope> = {}): QueueId => {
    const id = `ID${++count}` as QueueId;
    store.put({
      id,
      arrival: clock.now(),
      sender: internalAddress("s@example.org"),
      recipients: recipients.map((address): Recipient => ({
        address: internalAddress(address),
        original: internalAddress(address),
        notify: 0,
      })),
      origin: {},
      ...more,
    }, "Subject: x\r\n\r\nhello\r\n");
    return id;
  };
  qmgr.start();
  return { clock, store, log, pending, told, qmgr, put };
}

test("a message that is delivered leaves three lines and no trace", async () => {
  const { put, store, log, clock, pending, qmgr } = rig();
  put(["a@x.example"]);
  await settle();
  expect(qmgr.counts()).toEqual({ active: 1, recipients: 1, deliveries: 1, destinations: 1 });
  await clock.advance(250);
  pending[0]!.finish(all(pending[0]!.job, SENT, { setup: 60, transmission: 190, connectionUse: 2 }));
  await settle();
  expect(log.lines).toEqual([
    "qmgr: ID1: from=<s@example.org>, size=21, nrcpt=1 (queue active)",
    "smtp: ID1: to=<a@x.example>, relay=mx[192.0.2.1]:25, conn_use=2, delay=0.25, delays=0/0/0.06/0.19, dsn=2.0.0, status=sent (250 Ok)",
    "qmgr: ID1: removed",
  ]);
  expect(store.messages.size).toBe(0);
  expect(qmgr.counts()).toEqual({ active: 0, recipients: 0, deliveries: 0, destinations: 0 });
});

test("recipients of one destination travel together, up to the recipient limit", async () => {
  const { put, pending } = rig({ parameters: { smtp_destination_recipient_limit: "2" } });
  put(["a@x.example", "b@x.example", "c@x.example", "d@y.example"]);
  await settle();
  const got = pending.map(({ job }) =>
    `${job.nexthop}: ${job.recipients.map(({ recipient }) => recipient.address[0]).join("")}`
  );
  expect(got.sort()).toEqual(["x.example: ab", "x.example: c", "y.example: d"]);
});

test("a destination begins with initial_destination_concurrency and widens with success up to its limit", async () => {
  const { put, pending } = rig({ settings: { default_destination_concurrency_limit: 7 } });
  for (let i = 0; i < 30; i++) put([`u${i}@x.example`]);
  await settle();
  expect(pending.length).toBe(5);
  const first = pending[0]!;
  first.finish(all(first.job, SENT));
  await settle();
  expect(pending.length).toBe(6);
  for (let i = 0; i < 5; i++) {
    pending[0]!.finish(all(pending[0]!.job, SENT));
    await settle();
  }
  expect(pending.length).toBe(7);
});

test("the process limit of the transport holds over all destinations", async () => {
  const { put, pending } = rig({ processLimit: 3 });
  for (let i = 0; i < 10; i++) put([`u@d${i}.example`]);
  await settle();
  expect(pending.length).toBe(3);
});

test("of an active message it is known what is with an agent, what waits, and behind how many deliveries", async () => {
  const { qmgr, put, pending } = rig({ settings: { initial_destination_concurrency: 1 } });
  const first = put(["a@x.example"]);
  const second = put(["b@x.example", "c@y.example"]);
  qmgr.start();
  await settle();
  const at = (nexthop: string, withAgent: number, waiting: number) => (
    { transport: "smtp", nexthop, withAgent, waiting, running: 1, limit: 1 }
  );
  expect(qmgr.look(first)?.destinations).toEqual([at("x.example", 1, 0)]);
  expect(qmgr.look(second)?.destinations).toEqual([at("x.example", 0, 1), at("y.example", 1, 0)]);
  pending[0]!.finish(all(pending[0]!.job, SENT));
  await settle();
  expect(qmgr.look(first)).toBeUndefined();
  expect(qmgr.look(second)?.destinations[0]).toMatchObject({ withAgent: 1, waiting: 0 });
});

test("five failures of a window of five make a site dead: what waits is suspended, later mail too, until the backoff is over", async () => {
  const { put, pending, log, store, clock } = rig();
  for (let i = 0; i < 7; i++) put([`u${i}@x.example`]);
  await settle();
  while (pending.length > 0) {
    pending[0]!.finish(all(pending[0]!.job, UNREACHED, { deadSite: REFUSED }));
    await settle();
  }
  put(["late@x.example"]);
  await settle();
  expect(pending.length).toBe(0);
  const suspended = log.lines.filter((line) => line.includes("suspended"));
  expect(suspended.length).toBeGreaterThanOrEqual(3);
  expect(suspended.at(-1)).toBe(
    "error: ID8: to=<late@x.example>, relay=none, delay=0, delays=0/0/0/0, dsn=4.4.1, status=deferred " +
      "(delivery temporarily suspended: connect to mx[192.0.2.1]:25: Connection refused)",
  );
  expect([...store.messages.values()].every(({ queue }) => queue === "deferred")).toBe(true);
  await clock.advance(300_000);
  expect(pending.length).toBe(5);
});

test("what is asked for by a flush is tried at once, though its site is dead", async () => {
  const { put, clock, pending, qmgr, store } = rig({
    settings: { default_destination_concurrency_failed_cohort_limit: 1 },
  });
  for (let i = 0; i < 7; i++) put([`u${i}@x.example`]);
  await settle();
  for (const one of pending.splice(0)) one.finish(all(one.job, UNREACHED, { deadSite: REFUSED }));
  await settle();
  expect(pending).toHaveLength(0);
  await store.retryNow();
  qmgr.wake();
  await clock.advance(1);
  expect(pending).toHaveLength(0); // still dead: deferred without an attempt
  qmgr.forgetDead();
  await store.retryNow();
  qmgr.wake();
  await clock.advance(1);
  expect(pending.length).toBeGreaterThan(0);
});

test("a success forgives earlier failures", async () => {
  const { put, pending, log } = rig();
  for (let i = 0; i < 40; i++) put([`u${i}@x.example`]);
  await settle();
  for (let i = 0; i < 20; i++) {
    const one = pending[0]!;
    one.finish(i % 2 === 0 ? all(one.job, UNREACHED, { deadSite: REFUSED }) : all(one.job, SENT));
    await settle();
  }
  expect(log.lines.some((line) => line.includes("suspended"))).toBe(false);
});

test("waiting doubles between minimal and maximal backoff", async () => {
  const { put, clock, store } = rig({ answer: (job) => all(job, UNREACHED) });
  const id = put(["a@x.example"]);
  await settle();
  const start = clock.now();
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const { due } = store.messages.get(id)!;
    waits.push((due - clock.now()) / 1000);
    await clock.advance(due - clock.now());
  }
  expect(waits).toEqual([300, 300, 600, 1200, 2400, 4000]);
  expect(clock.now() - start).toBe(8_800_000);
});

test("after maximal_queue_lifetime the message returns to its sender", async () => {
  const { put, clock, store, log, told } = rig({
    answer: (job) => all(job, UNREACHED),
    settings: { maximal_queue_lifetime: 1000 },
  });
  put(["a@x.example"]);
  await clock.advance(2_000_000);
  expect(log.lines).toContain("qmgr: ID1: from=<s@example.org>, status=expired, returned to sender");
  expect(told).toHaveLength(1);
  expect(told[0]!.what).toBe("failed");
  expect(told[0]!.entries[0]!.detail).toEqual({ ...REFUSED, action: "failed" });
  expect(store.messages.size).toBe(0);
});

test("bounces expire by bounce_queue_lifetime", async () => {
  const { put, clock, store } = rig({
    answer: (job) => all(job, UNREACHED),
    settings: { bounce_queue_lifetime: 0 },
  });
  put(["a@x.example"], { sender: internalAddress("") });
  await clock.advance(1000);
  expect(store.messages.size).toBe(0);
});

test("forced expiration returns the message without another attempt, with the last reason", async () => {
  const { put, clock, store, qmgr, told, pending, log } = rig();
  const id = put(["a@x.example"]);
  await settle();
  pending[0]!.finish(all(pending[0]!.job, UNREACHED));
  await settle();
  await moves(store, "expire", [id]);
  await store.retryNow([id]);
  qmgr.wake();
  await clock.advance(1);
  expect(pending.length).toBe(0);
  expect(log.lines).toContain("qmgr: ID1: from=<s@example.org>, status=force-expired, returned to sender");
  expect(told[0]!.entries[0]!.detail.text).toBe(REFUSED.text);
  expect(store.messages.size).toBe(0);
});

for (const move of ["hold", "delete", "requeue"] as const) {
  test(`${move} in the middle of a run: what has begun ends, what has not begun does not begin`, async () => {
    const requeued: number[] = [];
    const { put, store, pending, told, qmgr, log } = rig({
      settings: { default_destination_concurrency_limit: 1, initial_destination_concurrency: 1 },
      requeue: (message) => {
        requeued.push(...message.pending);
        store.remove(message.envelope.id);
        return Promise.resolve({ is: "done" });
      },
    });
    const id = put(["a@x.example", "b@y.example", "c@y.example"]);
    const behind = put(["d@y.example"]);
    await settle();
    expect(pending.map(({ job }) => job.recipients.length)).toEqual([1, 2]);
    const third = put(["e@y.example", "f@x.example"]);
    await settle();
    // The one with two deliveries under way, and two of which nothing has begun.
    expect(await moves(store, move, [id, behind, third])).toBe(3);
    await settle();
    expect(qmgr.counts().active).toBe(1);
    pending[0]!.finish(all(pending[0]!.job, SENT));
    pending[0]!.finish(all(pending[0]!.job, BOUNCED));
    await settle();
    expect(pending).toEqual([]);
    const lines = log.lines.filter((line) => line.includes("removed"));
    if (move === "delete") {
      expect([store.messages.size, lines, told]).toEqual([0, [], []]);
    } else if (move === "hold") {
      expect([...store.messages.values()].map(({ queue }) => queue)).toEqual(["hold", "hold"]);
      expect([lines, told.map(({ what }) => what)]).toEqual([[`qmgr: ${id}: removed`], ["failed"]]);
    } else {
      expect([store.messages.size, requeued]).toEqual([0, [0, 0, 1]]);
    }
    expect(qmgr.counts().active).toBe(0);
  });
}

test("held in the middle of a run, what was put off waits on hold", async () => {
  const { put, store, pending } = rig();
  const id = put(["a@x.example"]);
  await settle();
  await moves(store, "hold", [id]);
  pending[0]!.finish(all(pending[0]!.job, UNREACHED));
  await settle();
  expect(store.messages.get(id)).toMatchObject({ queue: "hold", deferred: true });
});

test("a message that is deleted or held while it is being opened does not become active", async () => {
  const { store, put, pending, qmgr } = rig();
  const open = store.open.bind(store);
  const gate = Promise.withResolvers<void>();
  store.open = async (id) => (await gate.promise, await open(id));
  const [held, deleted] = [put(["a@x.example"]), put(["b@x.example"])];
  await settle();
  await moves(store, "hold", [held]);
  await moves(store, "delete", [deleted]);
  gate.resolve();
  await settle();
  expect([pending.length, qmgr.counts().active, store.messages.get(held)!.queue]).toEqual([0, 0, "hold"]);
});

test("requeue refused returns the message to its sender; put off, it is tried again", async () => {
  const answers: Awaited<ReturnType<Requeue>>[] = [
    { is: "later" },
    { is: "refused", detail: { status: "5.7.1", text: "no such words", action: "failed" } },
  ];
  const { put, store, clock, told, log, pending } = rig({
    requeue: () => Promise.resolve(answers.shift()!),
  });
  const id = put(["a@x.example"]);
  await moves(store, "requeue", [id]);
  await settle();
  expect(store.messages.get(id)).toMatchObject({ queue: "deferred", requeue: true });
  await clock.advance(400_000);
  expect(told.map(({ what, entries }) => [what, entries[0]!.detail.text])).toEqual([[
    "failed",
    "no such words",
  ]]);
  expect([store.messages.size, pending.length]).toEqual([0, 0]);
  expect(log.lines.filter((line) => line.includes("queue active"))).toEqual([]);
});

test("how long a message may stay counts from when it went through cleanup(8) again", async () => {
  const { put, clock, store, told } = rig({
    answer: (job) => all(job, UNREACHED),
    settings: { maximal_queue_lifetime: 10_000 },
  });
  await clock.advance(9_000_000);
  put(["a@x.example"], { arrival: 0, created: clock.now() });
  await clock.advance(9_000_000);
  expect([store.messages.size, told.length]).toEqual([1, 0]);
  await clock.advance(9_000_000);
  expect([store.messages.size, told.length]).toEqual([0, 1]);
});

test("a delay warning is sent once", async () => {
  const { put, clock, told, store } = rig({
    answer: (job) => all(job, UNREACHED),
    settings: { delay_warning_time: 3600 },
  });
  const id = put(["a@x.example"]);
  await clock.advance(3_000_000);
  expect(told).toHaveLength(0);
  await clock.advance(20_000_000);
  expect(told.map(({ what }) => what)).toEqual(["delayed"]);
  expect(store.messages.get(id)!.warned).toBe(true);
});

test("a bounce is reported at the end of the run and the message goes when the notice is queued", async () => {
  const { put, told, store } = rig({
    answer: (job) => ({
      outcomes: job.recipients.map((_, i) => i === 0 ? BOUNCED : SENT),
      setup: 0,
      transmission: 0,
    }),
  });
  put(["bad@x.example", "good@x.example"]);
  await settle();
  expect(told).toEqual([{ what: "failed", entries: [expect.anything()] }]);
  expect(store.messages.size).toBe(0);
});

test("when the notice cannot be queued the failure stays with the message", async () => {
  const { put, store } = rig({ answer: (job) => all(job, BOUNCED), bounceFails: true });
  const id = put(["bad@x.example"]);
  await settle();
  const kept = store.messages.get(id)!;
  expect(kept.queue).toBe("deferred");
  expect(kept.states).toEqual([{ is: "failed", report: BOUNCED.detail }]);
});

test("soft_bounce defers what would bounce", async () => {
  const { put, store, log, told } = rig({
    answer: (job) => all(job, BOUNCED),
    settings: { soft_bounce: true },
  });
  put(["bad@x.example"]);
  await settle();
  expect(log.lines[1]).toBe(
    "smtp: ID1: to=<bad@x.example>, relay=mx[192.0.2.1]:25, delay=0, delays=0/0/0/0, dsn=4.1.1, status=SOFTBOUNCE (no such user)",
  );
  expect(told).toHaveLength(0);
  expect((await store.counts()).deferred).toBe(1);
});

test("a transport without an agent defers and warns once", async () => {
  const { put, log } = rig();
  put(["a@no.example"]);
  put(["b@no.example"]);
  await settle();
  expect(log.lines.filter((line) => line.includes("warning"))).toEqual([
    "qmgr: warning: connect to transport private/nosuch: No such file or directory",
    'qmgr: warning: master.cf has no entry "nosuch unix"; its mail waits',
  ]);
  expect(log.lines.filter((line) => line.startsWith("error:"))).toEqual([
    "error: ID1: to=<a@no.example>, relay=none, delay=0, delays=0/0/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)",
    "error: ID2: to=<b@no.example>, relay=none, delay=0, delays=0/0/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)",
  ]);
});

test("defer_transports keeps mail until it is flushed and the list is empty", async () => {
  const { put, log, store } = rig({ settings: { defer_transports: "smtp" } });
  put(["a@x.example"]);
  await settle();
  expect(log.lines[1]).toContain("dsn=4.3.2, status=deferred (deferred transport)");
  expect((await store.counts()).deferred).toBe(1);
});

test("mail to the double-bounce address is discarded", async () => {
  const { put, log, store } = rig();
  put(["double-bounce@example.com"]);
  await settle();
  expect(log.lines[1]).toContain(
    "qmgr: ID1: to=<double-bounce@example.com>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, " +
      "status=sent (undeliverable postmaster notification discarded)",
  );
  expect(store.messages.size).toBe(0);
});

test("an agent's fault defers with 4.3.0 and loses nothing", async () => {
  const { put, log, store } = rig({
    answer: () => {
      throw new Error("bug");
    },
  });
  put(["a@x.example"]);
  await settle();
  expect(log.lines).toContain("qmgr: warning: ID1: transport smtp failed: bug");
  expect(log.lines.at(-1)).toContain("dsn=4.3.0, status=deferred (unknown mail transport error)");
  expect((await store.counts()).deferred).toBe(1);
});

test("a small message overtakes a mailing list of many destinations", async () => {
  const { put, pending } = rig({ processLimit: 2 });
  put(Array.from({ length: 500 }, (_, i) => `u@d${i}.example`));
  await settle();
  put(["me@small.example"]);
  await settle();
  for (let i = 0; i < 3; i++) {
    pending[0]!.finish(all(pending[0]!.job, SENT));
    await settle();
  }
  expect(pending.some(({ job }) => job.nexthop === "small.example")).toBe(true);
});

test("a small message overtakes the remaining recipients of a big one to the same destination", async () => {
  const { put, pending } = rig({
    parameters: { smtp_destination_recipient_limit: "10", smtp_destination_concurrency_limit: "1" },
  });
  put(Array.from({ length: 500 }, (_, i) => `u${i}@x.example`));
  await settle();
  const small = put(["me@x.example"]);
  await settle();
  for (let i = 0; i < 2; i++) {
    pending[0]!.finish(all(pending[0]!.job, SENT));
    await settle();
  }
  expect(pending[0]!.job.envelope.id).toBe(small);
});

test("destinations take turns when one has a long queue", async () => {
  const { put, pending } = rig({ processLimit: 2 });
  for (let i = 0; i < 100; i++) put([`u${i}@busy.example`]);
  await settle();
  put(["a@other.example"]);
  await settle();
  for (let i = 0; i < 2; i++) {
    pending[0]!.finish(all(pending[0]!.job, SENT));
    await settle();
  }
  expect(pending.some(({ job }) => job.nexthop === "other.example")).toBe(true);
});

test("a rate delay spaces the deliveries of a destination, one at a time", async () => {
  const starts: number[] = [];
  const { put, clock } = rig({
    parameters: { slow_destination_rate_delay: "5s" },
    answer: (job) => {
      starts.push(clock.now());
      return all(job, SENT);
    },
  });
  const begin = clock.now();
  for (let i = 0; i < 3; i++) put([`u${i}@slow.example`]);
  await clock.advance(20_000);
  expect(starts.map((at) => at - begin)).toEqual([0, 5000, 10_000]);
});

test("a transport rate delay spaces all deliveries of the transport", async () => {
  const starts: number[] = [];
  const { put, clock } = rig({
    parameters: { slow_transport_rate_delay: "2s" },
    answer: (job) => {
      starts.push(clock.now());
      return all(job, SENT);
    },
  });
  const begin = clock.now();
  for (let i = 0; i < 3; i++) put([`u@slow.d${i}.example`]);
  await clock.advance(20_000);
  expect(starts.map((at) => at - begin)).toEqual([0, 2000, 4000]);
});

test("with a recipient limit of one, concurrency is per recipient", async () => {
  const { put, pending } = rig({
    parameters: { smtp_destination_recipient_limit: "1", smtp_destination_concurrency_limit: "1" },
  });
  put(["a@x.example", "A+ext@x.example", "b@x.example"]);
  await settle();
  expect<unknown>(pending.map(({ job }) => job.recipients[0]!.recipient.address)).toEqual([
    "A+ext@x.example",
    "b@x.example",
  ]);
});

test("the active set is bounded", async () => {
  const { put, store, pending } = rig({ settings: { qmgr_message_active_limit: 3 } });
  for (let i = 0; i < 10; i++) put([`u@d${i}.example`]);
  await settle();
  expect((await store.counts()).active).toBe(3);
  while (pending.length > 0) {
    pending[0]!.finish(all(pending[0]!.job, SENT));
    await settle();
  }
  expect(store.messages.size).toBe(0);
});

test("a reload lets deliveries finish and puts the rest back", async () => {
  const { put, store, pending, qmgr, clock } = rig({ processLimit: 1 });
  put(["a@x.example"]);
  put(["b@x.example"]);
  await settle();
  const stopped = qmgr.stop(ending(clock, { hurry: false }));
  await settle();
  expect(await store.counts()).toMatchObject({ active: 1, incoming: 1 });
  pending[0]!.finish(all(pending[0]!.job, SENT));
  await stopped;
  expect([...store.messages.keys()]).toEqual(["ID2" as QueueId]);
});

test("at the deadline of a reload deliveries are aborted and their messages put back, without a line or a wait", async () => {
  const { put, store, qmgr, clock, log } = rig();
  put(["a@x.example"]);
  await settle();
  const before = log.lines.length;
  const stopped = qmgr.stop(ending(clock, { hurry: false }));
  await clock.advance(10_000);
  await stopped;
  expect(await store.counts()).toMatchObject({ active: 0, incoming: 1 });
  expect(await store.nextDue()).toBeLessThanOrEqual(clock.now());
  expect(log.lines.slice(before)).toEqual([]);
});

test("a stop gives up at once what was handed to nobody, and waits for what was", async () => {
  const { put, store, pending, qmgr, clock, log } = rig({ hands: true });
  put(["a@x.example"]);
  put(["b@y.example"]);
  await settle();
  const [given, handed] = pending;
  handed!.job.handingOver!();
  const before = log.lines.length;
  const stopped = qmgr.stop(ending(clock, { hurry: true }));
  await settle();
  expect(await store.counts()).toMatchObject({ active: 1, incoming: 1 });
  expect(log.lines.slice(before)).toEqual([]);
  expect(given!.signal.aborted).toBe(true);
  expect(() => given!.job.handingOver!()).toThrow("the mail system is stopping");
  given!.finish(all(given!.job, SENT));
  handed!.finish(all(handed!.job, SENT));
  await stopped;
  expect([...store.messages.keys()]).toEqual([given!.job.envelope.id]);
  expect(await store.nextDue()).toBeLessThanOrEqual(clock.now());
});

test("recipients that the end of the service interrupts go back, the others keep their outcome", async () => {
  const { put, store, pending, log } = rig({ hands: true });
  put(["a@x.example", "b@x.example"]);
  await settle();
  const [{ job }] = pending as [Pending];
  const interrupted: Outcome = { ...UNREACHED, interrupted: true };
  pending[0]!.finish({ ...all(job, SENT), outcomes: [SENT, interrupted] });
  await settle();
  expect([...store.messages.values()].map(({ states }) => states.map(({ is }) => is))).toEqual([
    ["done", "pending"],
  ]);
  expect(log.lines.filter((line) => line.includes("status="))).toHaveLength(1);
});

test("a delivery that was handed over and not answered by the deadline is said to be uncertain", async () => {
  const { put, store, pending, qmgr, clock, log } = rig({ hands: true });
  put(["a@x.example"]);
  await settle();
  pending[0]!.job.handingOver!();
  const stopped = qmgr.stop(ending(clock, { hurry: true }));
  await clock.advance(10_000);
  await stopped;
  expect(await store.counts()).toMatchObject({ active: 0, incoming: 1 });
  expect(log.lines.at(-1)).toContain(
    "ID1: the end of the service has cut a delivery short: transport smtp, next hop x.example -- message may be sent more than once",
  );
});

test("expanded recipients have a line and an entry for each part", async () => {
  const { put, log, told } = rig({
    answer: (job) =>
      all(job, {
        is: "bounced",
        relay: "local",
        detail: { status: "2.0.0", text: "alias expanded", action: "expanded" },
        parts: [{ address: "one@x.example", outcome: SENT }, { address: "two@x.example", outcome: BOUNCED }],
      }),
  });
  put(["list@x.example"]);
  await settle();
  expect(log.lines[1]).toStartWith("smtp: ID1: to=<one@x.example>, orig_to=<list@x.example>, relay=");
  expect(log.lines[2]).toStartWith("smtp: ID1: to=<two@x.example>, orig_to=<list@x.example>, relay=");
  expect(told[0]!.entries.map(({ detail }) => detail.address)).toEqual(["two@x.example"]);
});

test("a success report is due only when asked for and not passed on", async () => {
  const { store, told } = rig({
    answer: (job) => ({
      outcomes: job.recipients.map((_, i) => i === 2 ? { ...SENT, passedOn: true } : SENT),
      setup: 0,
      transmission: 0,
    }),
  });
  const recipient = (address: string, notify: number): Recipient => ({
    address: internalAddress(address),
    original: internalAddress(address),
    notify,
  });
  store.put({
    id: "X1" as QueueId,
    arrival: 0,
    sender: internalAddress("s@example.org"),
    origin: {},
    recipients: [recipient("a@x.example", 2), recipient("b@x.example", 0), recipient("c@x.example", 2)],
  }, "\r\n");
  await settle();
  expect(told).toHaveLength(1);
  expect(told[0]!.what).toBe("succeeded");
  expect(told[0]!.entries.map((entry) => [entry.recipient.address, entry.detail.text])).toEqual([
    ["a@x.example", "delivery via mx[192.0.2.1]:25: 250 Ok"],
  ]);
});

function probeOf(address: string, heard: string[]): Probe {
  return {
    envelope: {
      id: "P1" as QueueId,
      arrival: 0,
      sender: internalAddress("double-bounce@example.org"),
      origin: {},
      kind: "probe",
      recipients: [{ address: internalAddress(address), original: internalAddress(address), notify: 0 }],
    },
    content: contentOf("Date: today\r\n"),
    outcome: (recipient, { is }) => heard.push(`${recipient.address} ${is}`),
    ended: (lost) => heard.push(lost ?? "ended"),
  };
}

test("a probe is told of, never answered by a notice, and nothing of it reaches the store", async () => {
  for (
    const [outcome, settings, want] of [
      [BOUNCED, {}, "dsn=5.1.1, status=undeliverable (no such user)"],
      [BOUNCED, { soft_bounce: true }, "dsn=5.1.1, status=undeliverable (no such user)"],
      [
        BOUNCED,
        { address_verify_negative_cache: false },
        "status=undeliverable-but-not-cached (no such user)",
      ],
      [SENT, { address_verify_negative_cache: false }, "status=deliverable (250 Ok)"],
    ] as const
  ) {
    const heard: string[] = [];
    const { qmgr, told, store, log } = rig({ answer: (job) => all(job, outcome), settings });
    const touched: string[] = [];
    const spy = (name: "remove" | "record" | "defer" | "release") =>
      store[name] = () => touched.push(name) > 0;
    (["remove", "record", "defer", "release"] as const).forEach(spy);
    qmgr.probe(probeOf("a@x.example", heard));
    await settle();
    expect(heard).toEqual([`a@x.example ${outcome.is}`, "ended"]);
    expect([told.length, ...touched]).toEqual([0]);
    expect(log.lines.slice(0, 1)).toEqual([
      "qmgr: P1: from=<double-bounce@example.org>, size=13, nrcpt=1 (queue active)",
    ]);
    expect(log.lines[1]).toContain(want);
    expect(log.lines[2]).toBe("qmgr: P1: removed");
    expect(qmgr.counts()).toMatchObject({ active: 0, recipients: 0 });
  }
});

test("at the end of the service probes are lost at once and say so", async () => {
  const heard: string[] = [];
  const { qmgr, clock } = rig();
  qmgr.probe(probeOf("a@x.example", heard));
  await settle();
  await qmgr.stop(ending(clock, { hurry: true }));
  expect(heard).toEqual(["lost"]);
  qmgr.probe(probeOf("b@x.example", heard));
  expect(heard).toEqual(["lost", "lost"]);
});

test("a bad transport parameter stops the start and names itself", () => {
  expect(() => rig({ parameters: { smtp_destination_recipient_limit: "many" } })).toThrow(
    "bad numerical configuration: smtp_destination_recipient_limit = many",
  );
  expect(() => rig({ parameters: { smtp_destination_concurrency_positive_feedback: "2" } })).toThrow(
    "smtp_destination_concurrency_positive_feedback: bad feedback value: 2",
  );
});

test("when the clock is set back, deferred mail goes out after the time that it had left, without a flush, and dead sites live again", async () => {
  const { put, clock, pending, told } = rig();
  put(["a@x.example"]);
  await settle();
  const [first] = pending;
  first!.finish(all(first!.job, UNREACHED, { deadSite: REFUSED }));
  await settle();
  clock.step(-86_400_000);
  await clock.advance(SETTINGS.minimal_backoff_time * 1000 + SETTINGS.queue_run_delay * 1000);
  expect(pending.length).toBe(1);
  // What comes in by the new clock goes out by it, and no message is older for it.
  pending[0]!.finish(all(pending[0]!.job, UNREACHED));
  put(["b@y.example"]);
  await settle();
  expect(pending.map(({ job }) => job.nexthop)).toEqual(["y.example"]);
  pending[0]!.finish(all(pending[0]!.job, UNREACHED));
  await clock.advance(SETTINGS.maximal_backoff_time * 1000 * 1.1 + SETTINGS.queue_run_delay * 1000);
  expect(pending.map(({ job }) => job.nexthop).sort()).toEqual(["x.example", "y.example"]);
  expect(told).toEqual([]);
});

test("when the clock is set back between the opening of the queue and its first message, that goes out at once", async () => {
  const { put, pending } = rig({ setBack: 3 * 3_600_000 });
  put(["a@x.example"]);
  await settle();
  expect(pending.map(({ job }) => job.nexthop)).toEqual(["x.example"]);
});

test("when the clock is set forward and back again, no message counts as old that came in between", async () => {
  const { put, clock, pending, told } = rig();
  put(["a@x.example"]);
  await settle();
  clock.step(30 * 86_400_000);
  pending[0]!.finish(all(pending[0]!.job, SENT));
  await settle();
  clock.step(-30 * 86_400_000);
  put(["b@y.example"]);
  await clock.advance(1000);
  expect(pending.length).toBe(1);
  pending[0]!.finish(all(pending[0]!.job, UNREACHED));
  await clock.advance(SETTINGS.minimal_backoff_time * 1000 * 1.1 + SETTINGS.queue_run_delay * 1000);
  expect([pending.length, told]).toEqual([1, []]);
});

const entriesOf = (entries: readonly ReportedRecipient[]) =>
  entries.map(({ recipient, detail }) => `${recipient.address} ${detail.action} ${detail.text}`);

test("a message that only asks is reported and removed, whatever would become of it, and nobody is told of failures", async () => {
  const { put, store, log, told } = rig({
    answer: (job) =>
      all(
        job,
        job.nexthop === "bad.example"
          ? { is: "bounced", relay: "mx", detail: { status: "5.1.1", text: "no", action: "failed" } }
          : job.nexthop === "slow.example"
          ? UNREACHED
          : SENT,
      ),
  });
  put(["a@x.example", "b@bad.example", "c@slow.example"], { trace: "verify" });
  await settle();
  expect(told.map(({ what, entries }) => [what, entriesOf(entries)])).toEqual([["traced", [
    "a@x.example deliverable delivery via mx[192.0.2.1]:25: 250 Ok",
    "b@bad.example undeliverable delivery via mx: no",
    "c@slow.example undeliverable connect to mx[192.0.2.1]:25: Connection refused",
  ]]]);
  const status = log.lines.flatMap((line) => /status=([\w-]+)/.exec(line)?.[1] ?? []);
  expect(status).toEqual(["deliverable", "undeliverable", "undeliverable"]);
  expect(store.messages.size).toBe(0);
});

test("the report of a message that only asks is tried again until it is queued, and nothing is delivered meanwhile", async () => {
  const { put, store, told, clock } = rig({ answer: (job) => all(job, SENT), bounceFails: true });
  const id = put(["a@x.example"], { trace: "verify" });
  await settle();
  expect(store.messages.get(id)?.states).toEqual([{ is: "pending" }]);
  await clock.advance(2_000_000);
  expect(told.length).toBeGreaterThan(1);
  expect(told.every(({ what }) => what === "traced")).toBe(true);
});

test("the first attempt of a message with a record is reported, the later ones are not", async () => {
  let tries = 0;
  const { put, told, clock, store } = rig({ answer: (job) => all(job, tries++ === 0 ? UNREACHED : SENT) });
  put(["a@x.example"], { trace: "record" });
  await settle();
  expect(told.map(({ what, entries }) => [what, entriesOf(entries)])).toEqual([
    ["traced", ["a@x.example delayed connect to mx[192.0.2.1]:25: Connection refused"]],
  ]);
  await clock.advance(2_000_000);
  expect(store.messages.size).toBe(0);
  expect(told.length).toBe(1);
});

test("with VERP each recipient has a delivery of its own, under a sender that names it as first given", async () => {
  const { put, pending } = rig();
  const id = put(["a@x.example", "b@x.example"], { verp: "+=" });
  await settle();
  expect(pending.map(({ job }) => [job.envelope.id, job.envelope.sender, job.recipients.length])).toEqual([
    [id, internalAddress("s+a=x.example@example.org"), 1],
    [id, internalAddress("s+b=x.example@example.org"), 1],
  ]);
});

test("a part that is there by a list with an owner does not tell what the list is called", async () => {
  const part = {
    address: "member@example.com",
    outcome: SENT,
    owner: internalAddress("o@x.example"),
    member: true,
  } as const;
  const { put, log, told } = rig({ answer: (job) => all(job, { ...SENT, parts: [part] }) });
  put(["list@x.example"], { trace: "verify" });
  await settle();
  const [entry] = told.flatMap(({ entries }) => entries);
  expect([entry?.detail.address, entry?.recipient.original as string]).toEqual(["member@example.com", ""]);
  expect(log.lines.find((line) => line.includes("to=<member@example.com>"))).not.toContain("orig_to");
});

test("with soft_bounce a record tells of a failure as a delay", async () => {
  const failed: Outcome = {
    is: "bounced",
    relay: "mx",
    detail: { status: "5.1.1", text: "no", action: "failed" },
  };
  const { put, told } = rig({ settings: { soft_bounce: true }, answer: (job) => all(job, failed) });
  put(["a@x.example"], { trace: "record" });
  await settle();
  const [entry] = told.flatMap(({ what, entries }) => what === "traced" ? entries : []);
  expect([entry?.detail.action, entry?.detail.status]).toEqual(["delayed", "4.1.1"]);
});
