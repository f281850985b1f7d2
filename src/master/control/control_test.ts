import { expect, test } from "bun:test";
import { mkdtempSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askService } from "./control_client.ts";
import { parseRequest } from "./control_protocol.ts";
import { type ControlAction, listsUser, openControlServer } from "./control_server.ts";
import { addUp } from "../queue_questions.ts";

async function served(act: ControlAction) {
  const queueDirectory = mkdtempSync(join(tmpdir(), "mta-control-"));
  const listener = await openControlServer({
    queueDirectory,
    uid: process.getuid!(),
    users: () => ({ authorized_mailq_users: "static:anyone", authorized_flush_users: "" }),
    userName: () => "ann",
    act,
  });
  return { queueDirectory, listener };
}

test("a question is answered with its rows and its value", async () => {
  const { queueDirectory, listener } = await served(({ verb, args }, row) => {
    row({ n: 1 });
    row({ n: 2 });
    return Promise.resolve({ verb, args });
  });
  const rows: unknown[] = [];
  const answer = await askService({
    queueDirectory,
    verb: "list",
    args: { ids: ["A"] },
    row: (each) => void rows.push(each),
  });
  expect(answer).toEqual({ is: "done", value: { verb: "list", args: { ids: ["A"] } } });
  expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
  listener.close();
});

test("a failure comes back in words, and no service is a case of its own", async () => {
  const { queueDirectory, listener } = await served(() => Promise.reject(new Error("bad line 3")));
  expect(await askService({ queueDirectory, verb: "reload" })).toEqual({ is: "error", why: "bad line 3" });
  listener.close();
  expect(await askService({ queueDirectory: "/nonexistent", verb: "reload" })).toEqual({ is: "down" });
});

test("every user may connect, and what each may ask is decided by who the kernel says they are", async () => {
  const { queueDirectory, listener } = await served(() => Promise.resolve(null));
  expect(statSync(join(queueDirectory, "mta.socket")).mode & 0o777).toBe(0o666);
  listener.close();
});

test("a line without end is cut off", async () => {
  const { queueDirectory, listener } = await served(() => Promise.resolve(null));
  const closed = new Promise<void>((done) => {
    const socket = connect(join(queueDirectory, "mta.socket"), () => {
      socket.write("x".repeat(8 * 1024 * 1024));
    });
    socket.on("error", () => {});
    socket.on("close", () => done());
  });
  await closed;
  listener.close();
});

test("what is no request is refused: not JSON, no object, an unknown verb", () => {
  expect(parseRequest("{")).toEqual({ malformed: "not JSON" });
  expect(parseRequest("3")).toEqual({ malformed: "not an object" });
  expect(parseRequest('{"verb":"toString"}')).toEqual({ malformed: 'unknown verb "toString"' });
  expect(parseRequest('{"verb":"list"}')).toEqual({ verb: "list", args: {} });
});

test("user lists: static:anyone, names, and exclusions before them", () => {
  expect(listsUser("static:anyone", undefined)).toBe(true);
  expect(listsUser("ann, bob", "bob")).toBe(true);
  expect(listsUser("!bob, static:anyone", "bob")).toBe(false);
  expect(listsUser("ann", undefined)).toBe(false);
  expect(listsUser("", "ann")).toBe(false);
});

test("answers of workers add up number by number", () => {
  expect(addUp([1, 2, 3])).toBe(6);
  expect(addUp([{ hold: 1, bytes: 5 }, { hold: 2, bytes: 6 }])).toEqual({ hold: 3, bytes: 11 });
  expect(addUp([null, null])).toBe(null);
});
