import { internalAddress } from "../../address/address.ts";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { put as putContent } from "../../../test/kit/memory/queue_shard.ts";
import type { Envelope, QueueId } from "../envelope.ts";
import { segmentsIn, setRecordVersion } from "../../../test/kit/many_segments.ts";
import { openFileStore } from "./open_file_store.ts";
import type { FileStoreOptions, QueueEvent } from "../log/file_store_options.ts";
import type { Content, QueueStore } from "../store.ts";
import { HELD_UP, until } from "../../../test/kit/waiting.ts";
import { moves } from "../../../test/kit/memory/moves.ts";

let directory: string;
let events: QueueEvent[];
const open: QueueStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mta-queue-"));
  events = [];
});

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

async function start(options: Partial<FileStoreOptions> = {}): Promise<QueueStore> {
  const store = await openFileStore({
    directory,
    shard: 0,
    settings: { queue_minfree: 0, message_size_limit: 10240000, enable_long_queue_ids: false },
    report: (event) => void events.push(event),
    ...options,
  });
  open.push(store);
  return store;
}

async function stop(store: QueueStore): Promise<void> {
  open.splice(open.indexOf(store), 1);
  await store.close();
}

function envelope(id: QueueId, fields: Partial<Envelope> = {}): Envelope {
  const address = "bob@example.com";
  return {
    id,
    arrival: Date.now(),
    sender: internalAddress("ann@example.org"),
    recipients: [{ address: internalAddress(address), original: internalAddress(address), notify: 0 }],
    origin: { clientName: "client.example.org", clientAddress: "192.0.2.7" },
    ...fields,
  };
}

async function put(store: QueueStore, text: string, fields: Partial<Envelope> = {}): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  const head = Math.min(text.length, 100);
  for (let at = head; at < text.length; at += 50_000) {
    await draft.write(Buffer.from(text.slice(at, at + 50_000)));
  }
  await draft.commit(envelope(id, fields), Buffer.from(text.slice(0, head)));
  return id;
}

async function textOf(content: Content): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content.chunks()) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function rows(store: QueueStore) {
  const out = [];
  for await (const row of store.list()) out.push(row);
  return out;
}

test("a committed message survives close and open, content and envelope the same", async () => {
  let store = await start();
  const id = await put(store, "hello\r\n");
  const first = await store.open(id);
  expect(await textOf(first.content)).toBe("hello\r\n");
  await stop(store);
  store = await start();
  expect(await store.counts()).toEqual({
    incoming: 1,
    active: 0,
    deferred: 0,
    hold: 0,
    corrupt: 0,
    bytes: 7,
  });
  const again = await store.open(id);
  expect(again.envelope).toEqual(first.envelope);
  expect(again.content.bytes?.toString()).toBe("hello\r\n");
  expect(again.states).toEqual([{ is: "pending" }]);
});

test("content over the threshold streams to a spool file and comes back in chunks", async () => {
  const text = "0123456789abcde\n".repeat(60_000);
  let store = await start();
  const id = await put(store, text);
  expect(readdirSync(join(directory, "mta/shard-0/spool"))).toEqual([id]);
  await stop(store);
  store = await start();
  const { content } = await store.open(id);
  expect(content.bytes).toBeUndefined();
  expect(content.size).toBe(text.length);
  expect(await textOf(content)).toBe(text);
  store.remove(id);
  await store.flush();
  await until(
    "the content file is gone",
    () => readdirSync(join(directory, "mta/shard-0/spool")).length === 0,
  );
});

test("an aborted draft leaves nothing, neither in memory nor in the spool", async () => {
  const store = await start();
  const draft = store.draft(store.newId());
  await draft.write(Buffer.alloc(300_000));
  draft.abort();
  await store.flush();
  await until("the spool is empty", () => readdirSync(join(directory, "mta/shard-0/spool")).length === 0);
  expect((await store.counts()).incoming).toBe(0);
});

test("new and deferred messages are taken in turn, each oldest due first", async () => {
  const store = await start();
  const old = [await put(store, "1"), await put(store, "2")];
  const now = Date.now();
  expect(await store.takeDue(now, 10)).toEqual(old);
  store.defer(old[0]!, now - 10, []);
  store.defer(old[1]!, now - 20, []);
  const fresh = [await put(store, "3"), await put(store, "4")];
  const taken = await store.takeDue(Date.now(), 10);
  expect(taken.filter((id) => old.includes(id))).toEqual([old[1]!, old[0]!]);
  expect(taken.filter((id) => fresh.includes(id))).toEqual(fresh);
  expect([taken.slice(0, 2), taken.slice(2)].map((two) => two.filter((id) => old.includes(id)).length))
    .toEqual([1, 1]);
});

test("deferral, states, warning and forced expiration are there after a restart", async () => {
  let store = await start();
  const two = ["bob@example.com", "eve@example.com"].map(internalAddress).map((a) => ({
    address: a,
    original: a,
    notify: 0,
  }));
  const id = await put(store, "x", { recipients: two });
  await store.takeDue(Date.now(), 1);
  await store.open(id);
  const detail = { status: "4.4.1", text: "connect to x: refused", action: "delayed" } as const;
  store.record(id, [{ index: 0, state: { is: "done" } }]);
  store.defer(id, 5_000_000_000_000, [{ index: 1, state: { is: "pending", why: detail } }], { warned: true });
  expect(await moves(store, "expire", [id])).toBe(1);
  expect(await moves(store, "expire", [id])).toBe(0);
  await stop(store);
  store = await start();
  expect((await store.counts()).deferred).toBe(1);
  expect(await store.nextDue()).toBe(5_000_000_000_000);
  expect(await store.takeDue(Date.now(), 1)).toEqual([]);
  const stored = await store.open(id);
  expect(stored.states).toEqual([{ is: "done" }, { is: "pending", why: detail }]);
  expect(stored).toMatchObject({ warned: true, forcedExpire: true });
  expect(await rows(store)).toMatchObject([{
    id,
    queue: "deferred",
    forcedExpire: true,
    recipients: [{ address: "eve@example.com", why: "connect to x: refused" }],
  }]);
});

test("what a run recorded before a crash is on top of the last full state", async () => {
  let store = await start();
  const two = ["bob@example.com", "eve@example.com"].map(internalAddress).map((a) => ({
    address: a,
    original: a,
    notify: 0,
  }));
  const id = await put(store, "x", { recipients: two });
  await store.takeDue(Date.now(), 1);
  await store.open(id);
  store.record(id, [{ index: 1, state: { is: "done" } }]);
  await stop(store);
  store = await start();
  expect((await store.counts()).incoming).toBe(1);
  expect((await store.open(id)).states).toEqual([{ is: "pending" }, { is: "done" }]);
  expect(await store.takeDue(Date.now(), 1)).toEqual([id]);
  store.defer(id, 1, [{ index: 0, state: { is: "done" } }]);
  await stop(store);
  store = await start();
  expect((await store.open(id)).states).toEqual([{ is: "done" }, { is: "done" }]);
});

test("hold and unhold move messages, an active one when its run ends; held mail is never due", async () => {
  const store = await start();
  const [one, two] = [await put(store, "1"), await put(store, "2", { hold: true })];
  expect(await store.counts()).toMatchObject({ incoming: 1, hold: 1 });
  expect(await store.takeDue(Date.now(), 10)).toEqual([one]);
  expect(await moves(store, "hold")).toBe(1);
  expect(await store.counts()).toMatchObject({ active: 1, hold: 1 });
  store.defer(one, 1, []);
  expect(await store.counts()).toMatchObject({ active: 0, hold: 2 });
  expect(await store.retryNow()).toBe(0);
  expect(await store.takeDue(Date.now(), 10)).toEqual([]);
  expect(await moves(store, "unhold", [two])).toBe(1);
  expect(await store.takeDue(Date.now(), 10)).toEqual([two]);
});

test("retryNow makes deferred mail due, delete takes any, and ids that are not there are ignored", async () => {
  const store = await start();
  const id = await put(store, "1");
  await store.takeDue(Date.now(), 1);
  store.defer(id, 5_000_000_000_000, []);
  expect(await store.retryNow(["000000000000" as QueueId])).toBe(0);
  expect(await store.retryNow([id, id])).toBe(1);
  expect(await store.takeDue(Date.now(), 1)).toEqual([id]);
  expect(await moves(store, "delete", [id])).toBe(1);
  store.record(id, [{ index: 0, state: { is: "done" } }]);
  store.defer(id, 1, []);
  store.remove(id);
  expect(await store.counts()).toMatchObject({ incoming: 0, active: 0, deferred: 0, hold: 0, bytes: 0 });
  await expect(store.open(id)).rejects.toThrow(`Cannot open message ${id}: it is not in the queue`);
});

test("a second owner of a shard is refused while the first lives", async () => {
  await start();
  const after = (_: number, call: () => void) => (queueMicrotask(call), () => {});
  await expect(start({ after })).rejects.toThrow("another process holds its lock");
});

test("a damaged record is set aside and its neighbours are unharmed", async () => {
  let store = await start();
  const ids = [];
  for (const text of ["one", "two", "three"]) ids.push(await put(store, text.repeat(100)));
  await stop(store);
  const log = join(directory, "mta/shard-0/log");
  const path = join(log, readdirSync(log).find((each) => each.endsWith(".seg"))!);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf("twotwo") + 9]! ^= 1;
  writeFileSync(path, bytes);
  store = await start();
  expect((await rows(store)).map(({ id }) => id)).toEqual([ids[0]!, ids[2]!]);
  expect((await store.counts()).corrupt).toBe(1);
  const saved = events.find((event) => event.is === "corrupt");
  expect(readFileSync(saved?.is === "corrupt" ? saved.savedAs : "").includes("twotwo")).toBe(true);
  await stop(store);
  events = [];
  store = await start();
  expect(events.filter((event) => event.is === "corrupt")).toEqual([]);
  expect(await store.counts()).toMatchObject({ incoming: 2, corrupt: 1 });
});

/** Gives the first record another version. */
function setVersion(version: number): void {
  setRecordVersion(segmentsIn(join(directory, "mta/shard-0/log"))[0]!, version);
}

test("a record of an unknown version makes the store refuse to open", async () => {
  let store = await start();
  await put(store, "one");
  await stop(store);
  setVersion(9);
  await expect(start()).rejects.toThrow("written by a newer version");
  store = await start({ shard: 1 });
  expect((await store.counts()).incoming).toBe(0);
});

test("a message of version 1, with its head in the spool file, is read as before", async () => {
  let store = await start();
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(Buffer.from("x".repeat(300_000)));
  await draft.commit(envelope(id), Buffer.alloc(0));
  await stop(store);
  setVersion(1);
  store = await start();
  const { content } = await store.open(id);
  expect([content.size, await textOf(content)]).toEqual([300_000, "x".repeat(300_000)]);
  expect((await store.counts()).corrupt).toBe(0);
});

test("of a message with a spool file the head is in the record, and the file has the body alone", async () => {
  const store = await start();
  const text = `${"h".repeat(100)}${"b".repeat(300_000)}`;
  const id = await put(store, text);
  expect(readFileSync(join(directory, "mta/shard-0/spool", id), "latin1")).toBe("b".repeat(300_000));
  const first = await store.open(id);
  expect(await textOf(first.content)).toBe(text);
  expect(first.content.size).toBe(text.length);
});

test("a body that is begun again takes the place of the first, in memory and in the spool", async () => {
  const store = await start();
  for (const size of [10, 400_000]) {
    const id = store.newId();
    const draft = store.draft(id);
    await draft.write(Buffer.from("old".repeat(size)));
    await draft.restart();
    expect(draft.size).toBe(0);
    await draft.write(Buffer.from("new"));
    await draft.commit(envelope(id), Buffer.from("head "));
    const { content } = await store.open(id);
    expect([content.size, await textOf(content)]).toEqual([8, "head new"]);
  }
});

test("a message whose spool file is gone is set aside; spool files without a message go", async () => {
  let store = await start();
  const id = await put(store, "x".repeat(300_000));
  await stop(store);
  rmSync(join(directory, "mta/shard-0/spool", id));
  writeFileSync(join(directory, "mta/shard-0/spool/ABCDE0000000"), "orphan");
  store = await start();
  expect(readdirSync(join(directory, "mta/shard-0/spool"))).toEqual([]);
  expect(await store.counts()).toMatchObject({ incoming: 0, corrupt: 1 });
  expect(events.some((event) => event.is === "corrupt" && event.where.includes("is missing"))).toBe(true);
});

test("the log shrinks to what lives, and what lives keeps its states", async () => {
  const limits = { segmentSize: 100_000, preallocate: 4096, slackBytes: 0, idleTime: 20 };
  let store = await start({ limits });
  const kept: QueueId[] = [];
  for (let at = 0; at < 400; at++) {
    const id = await put(store, `${at} `.repeat(500));
    if (at % 50 === 0) kept.push(id);
  }
  for (const id of (await store.takeDue(Date.now(), 1000))) {
    if (!kept.includes(id)) store.remove(id);
    else store.defer(id, 4_000_000_000_000 + kept.indexOf(id), [{ index: 0, state: { is: "done" } }]);
  }
  await store.flush();
  const log = join(directory, "mta/shard-0/log");
  const sizeOf = (name: string) => statSync(join(log, name), { throwIfNoEntry: false })?.size ?? 0;
  const size = () => readdirSync(log).reduce((sum, name) => sum + sizeOf(name), 0);
  await until("the log has shrunk", () => size() < 60_000);
  await stop(store);
  store = await start({ limits });
  expect((await rows(store)).map(({ id }) => id).sort()).toEqual([...kept].sort());
  for (const [at, id] of kept.entries()) {
    const { states, content } = await store.open(id);
    expect(states).toEqual([{ is: "done" }]);
    expect(content.bytes?.toString()).toBe(`${at * 50} `.repeat(500));
  }
  expect(await store.nextDue()).toBe(4_000_000_000_000);
});

test("messages that compaction moves in the middle of a listing are in it, each once", async () => {
  const limits = { segmentSize: 50_000, preallocate: 4096, slackBytes: 0, idleTime: 20 };
  const store = await start({ limits });
  const ids: QueueId[] = [];
  for (let at = 0; at < 200; at++) ids.push(await put(store, `${at} `.repeat(500)));
  const listing = store.list()[Symbol.asyncIterator]();
  const listed = [(await listing.next()).value.id];
  const log = join(directory, "mta/shard-0/log");
  const segments = () => readdirSync(log).filter((each) => each.endsWith(".seg")).sort();
  const first = segments()[0]!;
  const kept = ids.filter((_, at) => at % 10 === 9);
  await moves(store, "delete", ids.slice(1).filter((id) => !kept.includes(id)));
  await until("the log has shrunk", () => segments().length <= 3 && !segments().includes(first));
  for (let next = await listing.next(); next.done !== true; next = await listing.next()) {
    listed.push(next.value.id);
  }
  expect(listed.sort()).toEqual([ids[0]!, ...kept].sort());
});

test("a shard without an owner is adopted with its states, spool files and marks", async () => {
  let other = await start({ shard: 7 });
  const big = "big\r\n".repeat(100_000);
  const ids = [await put(other, "small"), await put(other, big), await put(other, "held", { hold: true })];
  await other.takeDue(Date.now(), 1);
  other.defer(ids[0]!, 5_000_000_000_000, [{ index: 0, state: { is: "done" } }]);
  await stop(other);
  let store = await start();
  expect(await store.adoptOrphans()).toBe(3);
  expect(await store.adoptOrphans()).toBe(0);
  expect(await store.counts()).toMatchObject({ incoming: 1, deferred: 1, hold: 1 });
  await stop(store);
  other = await start({ shard: 7 });
  expect(await other.counts()).toMatchObject({ incoming: 0, deferred: 0, hold: 0 });
  store = await start();
  expect(await store.counts()).toMatchObject({ incoming: 1, deferred: 1, hold: 1, corrupt: 0 });
  expect((await store.open(ids[0]!)).states).toEqual([{ is: "done" }]);
  expect(await textOf((await store.open(ids[1]!)).content)).toBe(big);
  expect(await textOf((await store.open(ids[2]!)).content)).toBe("held");
});

test("listeners hear of what waits at the start and of every arrival, not of held mail", async () => {
  let store = await start();
  await put(store, "1");
  await stop(store);
  store = await start();
  let heard = 0;
  store.onArrival(() => void heard++);
  await Promise.resolve();
  expect(heard).toBe(1);
  await put(store, "2");
  expect(heard).toBe(2);
  await put(store, "3", { hold: true });
  expect(heard).toBe(2);
});

test("refusal() knows queue_minfree and one and a half times message_size_limit", async () => {
  const store = await start({
    settings: { queue_minfree: 0, message_size_limit: 1, enable_long_queue_ids: true },
  });
  expect(store.refusal(0)).toBeUndefined();
  expect(store.refusal(Number.MAX_SAFE_INTEGER)?.full).toBe(true);
  const poor = await start({
    shard: 1,
    settings: { queue_minfree: 2 ** 52, message_size_limit: 1, enable_long_queue_ids: true },
  });
  expect(poor.refusal(0)?.full).toBe(true);
});

test("probe() answers with the time a write and a sync took", async () => {
  expect(await (await start()).probe()).toBeLessThan(HELD_UP);
});

test("what is due later than any wait, as after a clock that was set back, is due at the next start", async () => {
  const at = Date.now();
  const openAt = (now: number) =>
    openFileStore({
      directory,
      shard: 0,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      limits: { longestWait: 3_600_000 },
      now: () => now,
      report: () => {},
    });
  const store = await openAt(at);
  const ids = [
    await putContent(store, Buffer.from("one"), at),
    await putContent(store, Buffer.from("two"), at),
  ];
  const fresh = await putContent(store, Buffer.from("three"), at);
  await store.takeDue(at, 2);
  store.defer(ids[0]!, at + 1_800_000, []);
  store.defer(ids[1]!, at + 3_600_000, []);
  await store.close();
  const again = await openAt(at - 1_800_000);
  expect(await again.takeDue(at - 1_800_000, 9)).toEqual([fresh, ids[1]!]);
  expect(await again.nextDue()).toBe(at + 1_800_000);
  await again.close();
});

test("a store takes the first shard that nobody owns: what a store that is gone has left is there again, and no two have one", async () => {
  const settings = { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false };
  const next = () => openFileStore({ directory, settings, report: () => {} });
  const [one, two] = [await next(), await next()];
  const ids = [await putContent(one, Buffer.from("one")), await putContent(two, Buffer.from("two"))];
  await one.close();
  const again = await next();
  const third = await next();
  expect(await again.takeDue(Date.now(), 9)).toEqual([ids[0]!]);
  expect(await third.takeDue(Date.now(), 9)).toEqual([]);
  expect(await two.takeDue(Date.now(), 9)).toEqual([ids[1]!]);
  for (const store of [again, two, third]) await store.close();
});

test("a move that finds nothing for a long time says now and then that it goes on", async () => {
  let now = Date.now();
  const store = await start({ now: () => now });
  for (let at = 0; at < 10; at++) await put(store, String(at));
  const matches = () => {
    now += 600;
    return false;
  };
  let steps = 0;
  for await (const step of store.move("hold", { wanted: { matches } })) steps += step.length + 1;
  expect(steps).toBe(6);
});
