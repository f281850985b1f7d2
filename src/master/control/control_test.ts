import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QueueId } from "../../queue/envelope.ts";
import { ConnectionShares, LISTING_SHARES, SHARES } from "./connection_shares.ts";
import { askService } from "./control_client.ts";
import { controlSocketPath } from "./control_protocol.ts";
import { listsUser, openControlServer } from "./control_server.ts";
import type { ControlService } from "./control_session.ts";
import { isVerb, VERBS } from "./control_verbs.ts";
import type { QueueRow } from "./queue_rows.ts";
import { rememberedNames } from "../../base/remembered_names.ts";
import { ServiceFault } from "./service_fault.ts";
import { untilAtRest } from "../../../test/kit/waiting.ts";

const id = (text: string) => text as QueueId;
const row = (n: number): QueueRow => ({
  id: id("00000100000A"),
  queue: "deferred",
  arrival: 0,
  size: n,
  sender: "ann@example.org",
  forcedExpire: false,
  recipients: [{ address: "bob@example.org", why: "x".repeat(500) }],
});

const idle: ControlService = {
  release: () => Promise.resolve(0),
  bans: () => Promise.resolve(0),
  unban: () => Promise.resolve(0),
  status: () => Promise.reject(new Error("not asked")),
  reload: () => Promise.resolve(null),
  stop: () => Promise.resolve(null),
  abort: () => Promise.resolve(null),
  metrics: () => Promise.resolve(null),
  list: () => Promise.resolve(0),
  counts: () => Promise.reject(new Error("not asked")),
  flush: () => Promise.resolve(0),
  flush_site: () => Promise.resolve("started"),
  move: () => Promise.resolve(null),
  damage: () => Promise.resolve({ found: [] }),
  cat: () => Promise.resolve(0),
  why: () => Promise.resolve({}),
  explain: () => Promise.reject(new Error("not asked")),
  log: () => Promise.resolve(0),
  pickup: () => Promise.resolve(null),
  acme: () => Promise.resolve({}),
  acme_renew: () => Promise.resolve({}),
};

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

async function served(service: Partial<ControlService>) {
  const queueDirectory = mkdtempSync(join(tmpdir(), "mta-control-"));
  folders.push(queueDirectory);
  const listener = await openControlServer({
    queueDirectory,
    uid: process.getuid!(),
    mailOwner: () => undefined,
    users: () => ({ authorized_mailq_users: "static:anyone", authorized_flush_users: "" }),
    userName: () => "ann",
    service: { ...idle, ...service },
  });
  return { queueDirectory, listener };
}

test("a question is answered with its rows and its value", async () => {
  const { queueDirectory, listener } = await served({
    list: async ({ args, row: send }) => {
      await send(row(1));
      await send({ ...row(2), continued: true });
      return args.filter?.status?.includes("deferred") ? 2 : 0;
    },
  });
  const rows: QueueRow[] = [];
  const answer = await askService({
    queueDirectory,
    verb: "list",
    args: { filter: { status: ["deferred"] } },
    row: (each) => void rows.push(each),
  });
  expect(answer).toEqual({ is: "done", value: 2 });
  expect(rows).toEqual([row(1), { ...row(2), continued: true }]);
  listener.close();
});

test("items follow a request line by line, however many, and nobody holds them all", async () => {
  let most = 0;
  const { queueDirectory, listener } = await served({
    flush: async ({ args, items }) => {
      expect(args).toEqual({});
      let count = 0;
      for await (const each of items) {
        expect(each).toBe(id("00000100000A"));
        most = Math.max(most, process.memoryUsage().rss);
        count++;
      }
      return count;
    },
  });
  const before = process.memoryUsage().rss;
  function* ids() {
    for (let i = 0; i < 200_000; i++) yield id("00000100000A");
  }
  expect(await askService({ queueDirectory, verb: "flush", args: {}, items: ids() }))
    .toEqual({ is: "done", value: 200_000 });
  expect(most - before).toBeLessThan(100 * 1024 * 1024);
  listener.close();
}, 60_000);

test("an item that is none ends the question", async () => {
  const { queueDirectory, listener } = await served({
    async flush({ items }) {
      let count = 0;
      for await (const _ of items) count++;
      return count;
    },
  });
  expect(await askService({ queueDirectory, verb: "flush", args: {}, items: [id("../../etc/passwd")] }))
    .toEqual({ is: "fault", kind: "malformed", why: "item 1: a queue id expected" });
  listener.close();
});

test("a client that does not read holds up who sends, not memory; one that goes away ends the work", async () => {
  let sent = 0;
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  const { queueDirectory, listener } = await served({
    async list({ row: send }) {
      try {
        for (; sent < 1_000_000; sent++) await send(row(sent));
      } catch (error) {
        resolve(error);
      }
      return sent;
    },
  });
  const socket = connect(controlSocketPath(queueDirectory), () => {
    socket.write('{"verb":"list","args":{}}\n');
  });
  socket.on("error", () => {});
  socket.pause();
  expect(await untilAtRest(() => sent)).toBeLessThan(20_000);
  socket.destroy();
  expect(String(await ended)).toContain("the client has gone");
  listener.close();
});

test("a fault has a kind and words, and no service is a case of its own", async () => {
  const { queueDirectory, listener } = await served({
    reload: () => Promise.reject(new ServiceFault("configuration", "bad line 3")),
    pickup: () => Promise.reject(new Error("broken")),
  });
  expect(await askService({ queueDirectory, verb: "reload", args: {} }))
    .toEqual({ is: "fault", kind: "configuration", why: "bad line 3" });
  expect(await askService({ queueDirectory, verb: "pickup", args: {} }))
    .toEqual({ is: "fault", kind: "failed", why: "broken" });
  listener.close();
  expect(await askService({ queueDirectory: "/nonexistent", verb: "reload", args: {} }))
    .toEqual({ is: "down", why: "No such file or directory" });
});

test("every user may connect, and what each may ask is decided by who the kernel says they are", async () => {
  const { queueDirectory, listener } = await served({});
  expect(statSync(controlSocketPath(queueDirectory)).mode & 0o777).toBe(0o666);
  listener.close();
});

/** Sends bytes to the socket and answers all that comes back until it is closed. */
function dialogue(queueDirectory: string, bytes: string): Promise<string> {
  return new Promise((done) => {
    let text = "";
    const socket = connect(controlSocketPath(queueDirectory), () => void socket.write(bytes));
    socket.on("data", (chunk) => text += chunk);
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("close", () => done(text));
  });
}

test("what is no request is refused and cut off: no JSON, no verb, too long, too deep, more than was asked for", async () => {
  const { queueDirectory, listener } = await served({});
  const faultOf = async (bytes: string) => JSON.parse(await dialogue(queueDirectory, bytes)).fault;
  expect(await faultOf("{\n")).toEqual({ kind: "malformed", why: "malformed request: JSON expected" });
  expect(await faultOf("3\n")).toEqual({ kind: "malformed", why: "malformed request: an object expected" });
  expect((await faultOf('{"verb":"toString","args":{}}\n')).why).toContain('unknown verb "toString"');
  expect((await faultOf('{"verb":"list","args":{"filter":{"from":"x"}}}\n')).why).toContain(
    "list: filter.from: ",
  );
  expect((await faultOf("[".repeat(8000) + "\n")).why).toContain("JSON of at most");
  await dialogue(queueDirectory, "x".repeat(8 * 1024 * 1024));
  await dialogue(queueDirectory, '{"verb":"list","args":{}}\n{"verb":"list","args":{}}\n');
  listener.close();
});

test("a line without end is cut off by its deadline, however it drips", async () => {
  const { queueDirectory, listener } = await served({});
  await new Promise<void>((done) => {
    const socket = connect(controlSocketPath(queueDirectory));
    const drip = setInterval(() => socket.write("["), 20);
    socket.on("error", () => {});
    socket.on("close", () => (clearInterval(drip), done()));
  });
  listener.close();
}, 30_000);

test("user lists: static:anyone, names, and exclusions before them; a name is asked for only where it matters", () => {
  const named = (name?: string) => () => name;
  const notAsked = () => {
    throw new Error("not asked");
  };
  expect(listsUser("static:anyone", notAsked)).toBe(true);
  expect(listsUser("ann, bob", named("bob"))).toBe(true);
  expect(listsUser("!bob, static:anyone", named("bob"))).toBe(false);
  expect(listsUser("ann", named())).toBe(false);
  expect(listsUser("", notAsked)).toBe(false);
});

test("whom the system cannot name now is let in by no list that asks for names, and breaks nothing", () => {
  const unknown = () => {
    throw new Error("getpwuid: input/output error");
  };
  for (const list of ["!bob, static:anyone", "ann", "ann, static:anyone"]) {
    expect(listsUser(list, unknown)).toBe(false);
  }
  expect(listsUser("static:anyone, !bob", unknown)).toBe(true);
});

test("a user has a small share, all users together have theirs, and the owner's is his own", () => {
  const shares = new ConnectionShares();
  const { other, owner } = SHARES;
  const taken = Array.from({ length: other.each }, () => shares.take(1000, "other"));
  expect(taken.every((each) => each !== undefined)).toBe(true);
  expect(shares.take(1000, "other")).toBeUndefined();
  for (let i = other.each; i < other.together; i++) {
    expect(shares.take(2000 + i, "other")).toBeDefined();
  }
  expect(shares.take(9999, "other")).toBeUndefined();
  for (let i = 0; i < owner.each; i++) expect(shares.take(0, "owner")).toBeDefined();
  taken[0]!();
  expect(shares.take(1000, "other")).toBeDefined();
});

test("of listings a user has fewer than of connections, and what others have open takes the owner's from nobody", () => {
  const listings = new ConnectionShares(LISTING_SHARES);
  const first = listings.take(1000, "other");
  expect([first, listings.take(1000, "other")]).not.toContain(undefined);
  expect(listings.take(1000, "other")).toBeUndefined();
  while (listings.take(Math.random(), "other") !== undefined);
  expect(listings.take(0, "owner")).toBeDefined();
  expect(listings.take(8, "mail_owner")).toBeDefined();
  first!();
  expect(listings.take(1001, "other")).toBeDefined();
});

test("a user's name is asked for once in a while, not at each connection", () => {
  let [asked, now] = [0, 0];
  const nameOf = rememberedNames((uid) => (asked++, `user${uid}`), () => now);
  for (let i = 0; i < 100; i++) expect(nameOf(7)).toBe("user7");
  expect(asked).toBe(1);
  now = 60_000;
  nameOf(7);
  expect(asked).toBe(2);
});

test("verbs are those of the table and nothing that an object has besides", () => {
  expect(isVerb("list")).toBe(true);
  for (const name of ["toString", "constructor", "__proto__", ""]) expect(isVerb(name)).toBe(false);
  expect(Object.values(VERBS).filter(({ mayUse }) => mayUse !== "owner")).toHaveLength(11);
});
