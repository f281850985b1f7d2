import { afterEach, describe, expect, test } from "bun:test";
import { startTcpTable, type TablePeer } from "../../../test/kit/servers/table_peers.ts";
import { ConnectionPool, ExchangeFault, type PoolOptions } from "./connection_pool.ts";
import { pause, until } from "../../../test/kit/waiting.ts";

/** A line is a reply; `last` is the end of what the connection is good for. */
function readLine(received: Buffer) {
  const end = received.indexOf(10);
  if (received.length > 100) throw new Error("too long");
  return end < 0 ? undefined : { reply: received.toString("latin1", 0, end), length: end + 1 };
}

const peers: TablePeer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.close();
});

async function world(options: Partial<PoolOptions> = {}) {
  const waiting: (() => void)[] = [];
  const peer = await startTcpTable((question) => {
    if (question === "hang up") return null;
    if (question === "silence") return undefined;
    if (question === "babble") return "one\ntwo\n";
    if (question === "long") return "x".repeat(200);
    if (question === "pieces") return pause(5).then(() => "in pieces\n");
    if (question === "wait") return new Promise((done) => waiting.push(() => done("at last\n")));
    return `${question}!\n`;
  });
  peers.push(peer);
  const pool = new ConnectionPool({ host: "127.0.0.1", port: peer.port }, {
    timeout: 1000,
    maxIdle: 1000,
    maxTtl: Infinity,
    ...options,
  });
  const ask = (question: string, signal?: AbortSignal) =>
    pool.exchange({ bytes: `${question}\n`, read: readLine, signal });
  return { peer, pool, ask, waiting };
}

const faultOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no fault",
    (error) => error instanceof ExchangeFault ? error.is : (error as Error).message,
  );

describe("a pool of connections", () => {
  test("keeps a connection for the next request, and opens one for each that is under way", async () => {
    const { peer, ask, waiting } = await world();
    expect([await ask("a"), await ask("b")]).toEqual(["a!", "b!"]);
    expect(peer.connections()).toBe(1);
    const both = [ask("wait"), ask("wait")];
    await until("two wait", () => waiting.length === 2);
    waiting.forEach((end) => end());
    expect(await Promise.all(both)).toEqual(["at last", "at last"]);
    expect(peer.connections()).toBe(2);
  });

  test("lets requests wait while all connections are busy, in order, and forgets those that give up", async () => {
    const { peer, ask, waiting } = await world({ maxConnections: 1 });
    const first = ask("wait");
    const given = new AbortController();
    const lost = ask("lost", given.signal);
    const later = [ask("b"), ask("c")];
    await until("one waits", () => waiting.length === 1);
    given.abort(new Error("given up"));
    expect(await faultOf(lost)).toBe("given up");
    waiting.forEach((end) => end());
    expect(await Promise.all([first, ...later])).toEqual(["at last", "b!", "c!"]);
    expect(peer.connections()).toBe(1);
    expect(peer.asked).toEqual(["wait", "b", "c"]);
  });

  test("says what became of a request without a reply, and uses no connection after it", async () => {
    const { peer, ask, pool } = await world({ timeout: 30 });
    expect(await faultOf(ask("hang up"))).toBe("hung up");
    expect(await faultOf(ask("silence"))).toBe("timed out");
    expect(await faultOf(ask("long"))).toBe("too long");
    expect(await ask("a")).toBe("a!");
    expect(peer.connections()).toBe(4);
    const waiting = faultOf(ask("silence"));
    pool.close();
    expect(await faultOf(ask("a"))).toBe("broken");
    expect(await waiting).toBe("timed out");
    const gone = new ConnectionPool({ path: "/nonexistent/socket" }, { timeout: 100, maxIdle: 1, maxTtl: 1 });
    expect(await faultOf(gone.exchange({ bytes: "", read: readLine }))).toBe("no connection");
  });

  test("gives a connection up when the request is", async () => {
    const { peer, ask } = await world();
    const given = new AbortController();
    const lost = ask("silence", given.signal);
    await until("it was asked", () => peer.asked.length > 0);
    given.abort(new Error("given up"));
    expect(await faultOf(lost)).toBe("given up");
    expect(await ask("a")).toBe("a!");
    expect(peer.connections()).toBe(2);
    expect(await faultOf(ask("a", AbortSignal.abort(new Error("never mind"))))).toBe("never mind");
    expect(await ask("b")).toBe("b!");
  });

  test("trusts no connection on which something came that nobody asked for", async () => {
    const { peer, ask } = await world();
    expect(await ask("babble")).toBe("one");
    expect(await ask("a")).toBe("a!");
    expect(peer.connections()).toBe(2);
  });

  test("reads a reply that comes byte by byte as one that comes at once", async () => {
    const { peer, ask } = await world();
    expect(await ask("pieces")).toBe("in pieces");
    expect(peer.connections()).toBe(1);
  });

  test("closes connections that rest, that are old and that have had their share", async () => {
    const idle = await world({ maxIdle: 20 });
    await idle.ask("a");
    await until("it is closed", () => idle.peer.open() === 0);
    const old = await world({ maxTtl: 0 });
    await old.ask("a");
    await old.ask("a");
    expect(old.peer.connections()).toBe(2);
    const few = await world({ requestLimit: 2 });
    for (const each of ["a", "b", "c"]) await few.ask(each);
    expect(few.peer.connections()).toBe(2);
  });

  test("survives a server that starts anew", async () => {
    const { peer, ask } = await world();
    await ask("a");
    peer.drop();
    // In this process too: one turn of its loop later our end knows as well.
    await until("the server has closed", () => peer.open() === 0);
    await pause(20);
    expect(await ask("b")).toBe("b!");
    expect(peer.connections()).toBe(2);
  });
});
