// What any store has to keep, whatever it is made of: run by the store of files and by the one in memory, and by each one to come.
import { internalAddress } from "../../../src/address/address.ts";
import { describe, expect, test } from "bun:test";
import type { Envelope, QueueId } from "../../../src/queue/envelope.ts";
import type {
  Draft,
  QueueMove,
  QueueStore,
  RecipientState,
  Selection,
  Wanted,
} from "../../../src/queue/store.ts";
import type { RecipientDetail } from "../../../src/message/recipient_detail.ts";
import { moves, movesOf } from "./moves.ts";

/** A kind of store. */
export interface StoreKind {
  readonly name: string;
  /** Whether what was flushed is there after `reopen`. */
  readonly durable: boolean;
  /** A store without messages, in a place of its own. */
  open(): Promise<OpenedStore>;
}

/** A store under test; `now` is what it takes for the time, in milliseconds. */
export interface OpenedStore {
  readonly store: QueueStore;
  now: number;
  /** Closes it and opens another one in its place. */
  reopen(): Promise<QueueStore>;
  /** Ends it, and removes its place. */
  end(): Promise<void>;
}

const LATER: RecipientDetail = { status: "4.4.1", text: "connect: refused", action: "delayed" };
const DEFERRED: RecipientState = { is: "pending", why: LATER };
const OTHER = internalAddress("t@x.example");

function envelopeOf(id: QueueId, arrival: number, more: Partial<Envelope> = {}): Envelope {
  const recipients = ["a@x.example", "b@y.example"].map(internalAddress).map((address) => ({
    address,
    original: address,
    notify: 0,
  }));
  return { id, arrival, sender: internalAddress("s@x.example"), recipients, origin: {}, ...more };
}

async function put(
  { store, now }: OpenedStore,
  content: { readonly head?: string; readonly body: string },
  more: Partial<Envelope> = {},
): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  for (let at = 0; at < content.body.length; at += 10_000) {
    await draft.write(Buffer.from(content.body.slice(at, at + 10_000)));
  }
  await draft.commit(envelopeOf(id, now, more), Buffer.from(content.head ?? ""));
  return id;
}

/** The bytes that a draft has so far, when it is read. */
async function lengthOf(draft: Draft): Promise<number> {
  let length = 0;
  for await (const piece of draft.read()) length += piece.length;
  return length;
}

async function textOf(store: QueueStore, id: QueueId): Promise<string> {
  const pieces: Uint8Array[] = [];
  const { content } = await store.open(id);
  for await (const chunk of content.chunks()) pieces.push(chunk);
  const bytes = Buffer.concat(pieces);
  expect(content.size).toBe(bytes.length);
  if (content.bytes !== undefined) expect(Buffer.from(content.bytes).equals(bytes)).toBe(true);
  return bytes.toString();
}

async function idsOf(store: QueueStore): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids.sort();
}

type Claim = (opened: OpenedStore) => Promise<void>;

/** Sites are asked for before and after `between`. */
async function retrySites(opened: OpenedStore, between: () => Promise<QueueStore>): Promise<void> {
  const { now } = opened;
  const to = (...addresses: string[]) => ({
    recipients: addresses.map(internalAddress).map((address) => ({ address, original: address, notify: 0 })),
  });
  const both = await put(opened, { body: "x" }, to("a@x.example", "b@y.example"));
  const other = await put(opened, { body: "x" }, to("c@y.example"));
  const held = await put(opened, { body: "x" }, { ...to("d@x.example"), hold: true });
  const waiting = await put(opened, { body: "x" }, to("e@x.example"));
  let { store } = opened;
  const later = now + 50_000;
  for (const id of await store.takeDue(now, 9)) store.defer(id, later, []);
  await store.retryNow([both]);
  await store.takeDue(now, 9);
  store.defer(both, later, [{ index: 0, state: { is: "done" } }]);
  const made = async (site: string) => {
    const count = await store.retrySite(site);
    const due = [...await store.takeDue(now, 9)].sort();
    for (const id of due) store.defer(id, later, []);
    return [count, due];
  };
  const look = async () => [await made("x.example"), await made("y.example"), await made("z.example")];
  const wanted = [[1, [waiting]], [2, [both, other].sort()], [0, []]];
  expect(await look()).toEqual(wanted);
  store = await between();
  expect(await look()).toEqual(wanted);
  expect((await store.find(held))?.queue).toBe("hold");
  store.remove(other);
  expect(await store.retrySite("y.example")).toBe(1);
}

const CLAIMS: Readonly<Record<string, Claim>> = {
  "what is committed is due, and opens with its envelope, its content in order and pending recipients":
    async (opened) => {
      const { store, now } = opened;
      for (const size of [0, 100, 700_000]) {
        const body = "x1y2z".repeat(size / 5);
        const id = await put(opened, { head: "Subject: a\r\n\r\n", body });
        expect(await store.takeDue(now, 9)).toEqual([id]);
        const { envelope, states, warned } = await store.open(id);
        expect([envelope, states, warned]).toEqual([
          envelopeOf(id, now),
          [{ is: "pending" }, { is: "pending" }],
          false,
        ]);
        expect(await textOf(store, id) === `Subject: a\r\n\r\n${body}`).toBe(true);
        store.remove(id);
      }
      expect(await store.takeDue(now, 9)).toEqual([]);
      expect(await idsOf(store)).toEqual([]);
    },

  "a head of any length stands before a body of any length": async (opened) => {
    const { store, now } = opened;
    for (const head of [0, 1, 4095, 4096, 4097, 20_000]) {
      for (const body of [0, 1, 16_383, 16_384, 100_000]) {
        const id = store.newId();
        const draft = store.draft(id);
        if (body > 0) await draft.write(Buffer.alloc(body, "b"));
        await draft.commit(envelopeOf(id, now), Buffer.alloc(head, "h"));
        const text = await textOf(store, id);
        expect([head, body, text === "h".repeat(head) + "b".repeat(body)]).toEqual([head, body, true]);
      }
    }
  },

  "bytes of a body are the caller's again when they are written": async (opened) => {
    for (const count of [1, 5, 40]) {
      const { store, now } = opened;
      const id = store.newId();
      const draft = store.draft(id);
      const bytes = Buffer.alloc(20_000);
      for (let at = 0; at < count; at++) {
        await draft.write(bytes.fill(97 + at % 26));
        bytes.fill("-");
      }
      await draft.commit(envelopeOf(id, now), Buffer.from("head "));
      const body = Array.from({ length: count }, (_, at) => String.fromCharCode(97 + at % 26).repeat(20_000));
      expect(await textOf(store, id) === `head ${body.join("")}`).toBe(true);
    }
  },

  "a draft that was dropped leaves nothing, one that was begun anew has the new body, and each id comes once":
    async (opened) => {
      const { store, now } = opened;
      const ids = new Set(Array.from({ length: 2000 }, () => store.newId()));
      expect(ids.size).toBe(2000);
      const dropped = store.draft(store.newId());
      await dropped.write(Buffer.from("gone"));
      dropped.abort();
      const id = store.newId();
      const draft = store.draft(id);
      await draft.write(Buffer.alloc(600_000, 97));
      expect(draft.size).toBe(600_000);
      expect([await lengthOf(draft), await lengthOf(draft)]).toEqual([600_000, 600_000]);
      await draft.restart();
      expect(await lengthOf(draft)).toBe(0);
      await draft.write(Buffer.from("new"));
      expect(await lengthOf(draft)).toBe(3);
      await draft.commit(envelopeOf(id, now), Buffer.from("head "));
      draft.abort();
      expect(await idsOf(store)).toEqual([id]);
      expect(await textOf(store, id)).toBe("head new");
    },

  "new mail is announced, held mail is not and waits until it is let go": async (opened) => {
    const { store, now } = opened;
    let announced = 0;
    store.onArrival(() => announced++);
    const held = await put(opened, { body: "x" }, { hold: true });
    await Promise.resolve();
    expect([announced, await store.takeDue(now, 9), await store.nextDue()]).toEqual([0, [], undefined]);
    const id = await put(opened, { body: "y" });
    expect(announced).toBeGreaterThan(0);
    expect(await store.nextDue()).toBe(now);
    expect(await store.takeDue(now, 9)).toEqual([id]);
    const before = announced;
    expect([await moves(store, "unhold"), await moves(store, "unhold")]).toEqual([1, 0]);
    expect(announced).toBeGreaterThan(before);
    expect(await store.takeDue(now, 9)).toEqual([held]);
  },

  "a deferred message comes back at its time and not before, with what is known of its recipients": async (
    opened,
  ) => {
    const { store, now } = opened;
    const id = await put(opened, { body: "x" });
    await store.takeDue(now, 1);
    await store.open(id);
    store.record(id, [{ index: 0, state: { is: "done" } }]);
    store.defer(id, now + 5000, [{ index: 1, state: DEFERRED }], { warned: true });
    expect(await store.takeDue(now + 4999, 9)).toEqual([]);
    expect(await store.nextDue()).toBe(now + 5000);
    expect((await store.find(id))?.recipients).toEqual([
      { address: "b@y.example", why: LATER.text, status: LATER.status },
    ]);
    expect(await store.takeDue(now + 5000, 9)).toEqual([id]);
    const { states, warned } = await store.open(id);
    expect([states, warned]).toEqual([[{ is: "done" }, DEFERRED], true]);
    store.defer(id, now + 9000, []);
    expect(await store.takeDue(now + 9000, 9)).toEqual([id]);
    expect((await store.open(id)).warned).toBe(true);
  },

  "a message that is put back is as it was": async (opened) => {
    const { store, now } = opened;
    const id = await put(opened, { body: "x" });
    for (const queue of ["incoming", "deferred"]) {
      expect(await store.takeDue(now + 10, 9)).toEqual([id]);
      expect((await store.find(id))?.queue).toBe("active");
      store.release(id);
      expect((await store.find(id))?.queue).toBe(queue as "incoming");
      expect(await store.takeDue(now + 10, 9)).toEqual([id]);
      store.defer(id, now + 5, []);
    }
  },

  "new and deferred mail take turns, each the oldest due first, up to the limit": async (opened) => {
    const { store, now } = opened;
    const late: QueueId[] = [];
    for (let at = 0; at < 3; at++) late.push(await put(opened, { body: "x" }));
    await store.takeDue(now, 3);
    for (const [at, id] of late.entries()) store.defer(id, now + 30 - at * 10, []);
    const fresh: QueueId[] = [];
    for (let at = 0; at < 3; at++) fresh.push(await put(opened, { body: "x" }, { arrival: now + at }));
    const taken = [...await store.takeDue(now + 100, 2), ...await store.takeDue(now + 100, 9)];
    expect(taken.filter((id) => fresh.includes(id))).toEqual(fresh);
    expect(taken.filter((id) => late.includes(id))).toEqual(late.toReversed());
    expect(new Set(taken.slice(0, 2).map((id) => fresh.includes(id))).size).toBe(2);
  },

  "an operator's moves count what they touch, once; an active message is held when its run ends": async (
    opened,
  ) => {
    const { store, now } = opened;
    const [one, two, three] = [
      await put(opened, { body: "x" }),
      await put(opened, { body: "x" }),
      await put(opened, { body: "x" }),
    ];
    const nobody = "000000000000" as QueueId;
    expect(await moves(store, "hold", [one!, one!, nobody])).toBe(1);
    const taken = await store.takeDue(now, 9);
    expect([...taken].sort()).toEqual([two!, three!].sort());
    expect(await moves(store, "hold", [two!])).toBe(1);
    expect((await store.find(two!))?.queue).toBe("active");
    store.defer(two!, now + 5, []);
    expect((await store.find(two!))?.queue).toBe("hold");
    // Let go, it waits for its time, as in Postfix.
    expect([await moves(store, "unhold", [two!]), await store.nextDue()]).toEqual([1, now + 5]);
    expect(await moves(store, "hold", [two!])).toBe(1);
    expect([await moves(store, "expire", [one!]), await moves(store, "expire", [one!])]).toEqual([1, 0]);
    expect((await store.find(one!))?.forcedExpire).toBe(true);
    expect((await store.open(one!)).forcedExpire).toBe(true);
    store.defer(three!, now + 50_000, []);
    expect(await store.takeDue(now, 9)).toEqual([]);
    opened.now += 1000;
    expect(await store.retryNow()).toBe(1);
    expect(await store.takeDue(opened.now, 9)).toEqual([three!]);
    // Deleted in the middle of its run: what that still reports is ignored.
    expect(await moves(store, "delete", [three!, nobody])).toBe(1);
    store.record(three!, [{ index: 0, state: { is: "done" } }]);
    store.defer(three!, now, []);
    store.release(three!);
    store.remove(three!);
    expect(await store.find(three!)).toBeUndefined();
    await expect(store.open(three!)).rejects.toThrow();
    expect(await moves(store, "delete")).toBe(2);
    expect(await idsOf(store)).toEqual([]);
  },

  "a site's deferred mail is made due, where somebody there still waits": (opened) =>
    retrySites(opened, () => Promise.resolve(opened.store)),
  "a move is for ids, for all, or for what is wanted of them; a dry run tells the same and changes nothing":
    async (
      opened,
    ) => {
      const { store, now } = opened;
      const [old, young, held] = [
        await put(opened, { body: "x" }),
        await put(opened, { body: "x" }, { arrival: now + 10, sender: internalAddress("other@x.example") }),
        await put(opened, { body: "x" }, { hold: true }),
      ];
      const cases: readonly (readonly [QueueMove, Selection, readonly string[]])[] = [
        ["hold", {}, [`${old} held`, `${young} held`]],
        ["hold", { ids: [held, young] }, [`${young} held`]],
        ["hold", { queues: ["deferred"] }, []],
        ["hold", { ids: [old], queues: ["active", "hold"] }, []],
        ["hold", { wanted: { before: now } }, [`${old} held`]],
        ["hold", { wanted: { matches: ({ sender }) => sender === "other@x.example" } }, [`${young} held`]],
        ["unhold", {}, [`${held} released`]],
        ["delete", { wanted: { queues: ["hold"] } }, [`${held} deleted`]],
        ["expireAndUnhold", { ids: [held] }, [`${held} expired`, `${held} released`]],
        ["requeue", {}, [`${old} requeued`, `${young} requeued`, `${held} requeued`]],
      ];
      for (const [move, selection, told] of cases) {
        const dry = await movesOf(store, move, { ...selection, dryRun: true });
        expect([move, selection, dry.sort()]).toEqual([move, selection, [...told].sort()]);
      }
      expect(await store.counts()).toMatchObject({ incoming: 2, hold: 1 });
      expect((await store.open(old)).requeue).toBe(false);
      expect(await movesOf(store, "hold", { wanted: { before: now } })).toEqual([`${old} held`]);
      expect(await store.counts()).toMatchObject({ incoming: 1, hold: 2 });
      expect((await store.open(old)).heldByOperator).toBe(true);
    },

  "what an operator wants held is told from what was held when it came, also when it was held already":
    async (
      opened,
    ) => {
      const { store } = opened;
      const id = await put(opened, { body: "x" }, { hold: true });
      const isHis = async () => (await store.open(id)).heldByOperator;
      expect(await isHis()).toBe(false);
      expect(await moves(store, "hold", [id])).toBe(0);
      expect(await isHis()).toBe(true);
      expect(await moves(store, "unhold", [id])).toBe(1);
      expect(await isHis()).toBe(false);
    },

  "a message that is to go through cleanup(8) again is due at once, held by nobody, and marked until another has its place":
    async (opened) => {
      const { store, now } = opened;
      const [id, active] = [
        await put(opened, { body: "x" }, { hold: true }),
        await put(opened, { body: "y" }),
      ];
      expect(await store.takeDue(now, 9)).toEqual([active]);
      expect(await moves(store, "requeue", [id, active, active])).toBe(2);
      // Until then it is in none of the queues.
      for (const move of ["hold", "expire", "requeue"] as const) {
        expect(await moves(store, move, [id])).toBe(0);
      }
      expect(await movesOf(store, "delete", { queues: ["deferred"], dryRun: true })).toEqual([]);
      expect(await store.takeDue(now, 9)).toEqual([id]);
      expect((await store.open(id)).requeue).toBe(true);
      store.release(active);
      expect(await store.takeDue(now, 9)).toEqual([active]);
      const after = await put(opened, { body: "z" }, { replaces: id, created: now + 5 });
      expect(await idsOf(store)).toEqual([active, after].sort());
      const { envelope, requeue } = await store.open(after);
      expect([envelope.replaces, envelope.created, requeue]).toEqual([id, now + 5, false]);
    },

  "who is in the middle of a run hears that it is not to go on": async (opened) => {
    const { store, now } = opened;
    const heard: string[] = [];
    store.onRecall((id, effect) => heard.push(`${id} ${effect}`));
    const ids = [];
    for (let at = 0; at < 4; at++) ids.push(await put(opened, { body: "x" }));
    const [one, two, three, four] = ids;
    expect(await store.takeDue(now, 3)).toEqual([one!, two!, three!]);
    await moves(store, "expire");
    await moves(store, "hold", [one!, four!]);
    await moves(store, "unhold", [one!]);
    await moves(store, "requeue", [two!]);
    await moves(store, "delete", [three!, four!]);
    expect(heard).toEqual([`${one} held`, `${two} requeued`, `${three} deleted`]);
    expect([store.remove(three!), store.remove(one!)]).toEqual([false, true]);
  },

  "what comes into the queue in the middle of a move is not moved, though it takes the place of what was":
    async (
      opened,
    ) => {
      const { store } = opened;
      for (let at = 0; at < 1200; at++) await put(opened, { body: "x" });
      const fresh: QueueId[] = [];
      let deleted = 0;
      for await (const step of store.move("delete", { wanted: { matches: () => true } })) {
        deleted += step.length;
        fresh.push(await put(opened, { body: "y" }));
      }
      expect([deleted, await idsOf(store)]).toEqual([1200, fresh.sort()]);
    },

  "what is there is found, listed and counted": async (opened) => {
    const { store, now } = opened;
    const fresh = await put(opened, { body: "12345" });
    const held = await put(opened, { body: "123" }, { hold: true });
    expect(await idsOf(store)).toEqual([fresh, held].sort());
    expect(await store.find(fresh)).toEqual({
      id: fresh,
      queue: "incoming",
      arrival: now,
      size: 5,
      sender: "s@x.example",
      forcedExpire: false,
      recipients: [{ address: "a@x.example" }, { address: "b@y.example" }],
    });
    expect(await store.find("000000000000" as QueueId)).toBeUndefined();
    expect(await store.counts()).toEqual({
      incoming: 1,
      active: 0,
      deferred: 0,
      hold: 1,
      corrupt: 0,
      bytes: 8,
    });
    await store.takeDue(now, 1);
    expect(await store.counts()).toMatchObject({ incoming: 0, active: 1 });
  },

  "a listing goes queue by queue, active mail first, and has what is wanted and nothing else": async (
    opened,
  ) => {
    const { store, now } = opened;
    const active = await put(opened, { body: "1" });
    const late = await put(opened, { body: "2" });
    await store.takeDue(now, 2);
    store.defer(late, now + 5000, []);
    const held = await put(opened, { body: "3" }, { hold: true });
    const incoming = await put(opened, { body: "4" }, { arrival: now - 1000, sender: OTHER });
    const wants = async (wanted?: Wanted) => await Array.fromAsync(store.list(wanted), ({ id }) => id);
    expect(await wants()).toEqual([active, incoming, late, held]);
    expect(await wants({ queues: ["hold", "active"] })).toEqual([active, held]);
    expect(await wants({ before: now - 1 })).toEqual([incoming]);
    expect(await wants({ matches: ({ sender }) => sender === OTHER })).toEqual([incoming]);
    expect(await wants({ queues: ["deferred"], before: now - 1 })).toEqual([]);
  },

  "a store that is well refuses nothing and says so": async ({ store }) => {
    expect([store.refusal(0), store.refusal(1000), store.trouble]).toEqual([undefined, undefined, undefined]);
    expect(await store.probe()).toBeGreaterThanOrEqual(0);
    expect(await store.damage()).toBeUndefined();
    expect(await store.adoptOrphans()).toBe(0);
    expect(["worker", "shared"]).toContain(store.ownership);
  },
};

const DURABLE: Readonly<Record<string, Claim>> = {
  "what was accepted, recorded and moved is there after it was opened anew": async (opened) => {
    const { store, now } = opened;
    const body = "0123456789".repeat(60_000);
    const ids = [
      await put(opened, { body }),
      await put(opened, { body: "x" }),
      await put(opened, { body: "y" }),
    ];
    await store.takeDue(now, 2);
    for (const id of ids.slice(0, 2)) await store.open(id);
    store.defer(ids[0]!, now + 100, [{ index: 1, state: DEFERRED }], { warned: true });
    store.remove(ids[1]!);
    await store.flush();
    await moves(store, "hold", [ids[2]!]);
    const again = await opened.reopen();
    expect(await idsOf(again)).toEqual([ids[0]!, ids[2]!].sort());
    expect((await again.find(ids[2]!))?.queue).toBe("hold");
    expect(await again.takeDue(now + 99, 9)).toEqual([]);
    expect(await again.takeDue(now + 100, 9)).toEqual([ids[0]!]);
    const { states, warned } = await again.open(ids[0]!);
    expect([states, warned]).toEqual([[{ is: "pending" }, DEFERRED], true]);
    expect(await textOf(again, ids[0]!) === body).toBe(true);
  },

  "a site's deferred mail is found after it was opened anew": (opened) =>
    retrySites(opened, async () => {
      await opened.store.flush();
      return await opened.reopen();
    }),

  "what is active when it is opened anew is due again": async (opened) => {
    const { store, now } = opened;
    const id = await put(opened, { body: "x" });
    expect(await store.takeDue(now, 9)).toEqual([id]);
    expect(await (await opened.reopen()).takeDue(now, 9)).toEqual([id]);
  },
};

/** Holds a kind of store to what every store promises. */
export function storeSuite({ name, durable, open }: StoreKind): void {
  describe(name, () => {
    for (const [claim, check] of Object.entries(durable ? { ...CLAIMS, ...DURABLE } : CLAIMS)) {
      test(claim, async () => {
        const opened = await open();
        try {
          await check(opened);
        } finally {
          await opened.end();
        }
      });
    }
  });
}
