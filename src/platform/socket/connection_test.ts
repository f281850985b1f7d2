import { expect, test } from "bun:test";
import net from "node:net";
import { connect, type Connection, type ConnectionHandler, listen } from "./connection.ts";
import { untilNextTick } from "../../../test/kit/waiting.ts";

const quiet: ConnectionHandler = {
  data: () => {},
  end: () => {},
  drain: () => {},
  timeout: () => {},
  close: () => {},
};

async function serverWith(
  accept: (socket: net.Socket) => void,
  options: net.ServerOpts = {},
): Promise<{ port: number; close: () => void }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer(options, (socket) => (sockets.push(socket), accept(socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return { port, close: () => (sockets.forEach((socket) => socket.destroy()), void server.close()) };
}

/** Milliseconds from the last byte of the peer, or else from the beginning, until a time limit of 300 ms fires. */
async function untilTimeout(
  port: number,
  use: (connection: Connection) => void,
): Promise<{ readonly waited: number; readonly bytes: number }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let since = performance.now();
  let bytes = 0;
  const connection = await connect({ host: "127.0.0.1", port }, { timeout: 60_000 }, () => ({
    ...quiet,
    data: (chunk) => (since = performance.now(), void (bytes += chunk.length)),
    timeout: () => resolve(),
  }));
  since = performance.now();
  connection.setTimeout(300);
  use(connection);
  await promise;
  const waited = performance.now() - since;
  connection.destroy();
  return { waited, bytes };
}

test("the idle limit fires when nothing moves", async () => {
  const server = await serverWith(() => {});
  expect((await untilTimeout(server.port, () => {})).waited).toBeGreaterThan(290);
  server.close();
});

test("the idle limit fires although bytes wait for a peer that does not read", async () => {
  const server = await serverWith((socket) => socket.pause());
  const { waited } = await untilTimeout(server.port, (connection) => {
    for (let i = 0; i < 30; i++) connection.write(Buffer.alloc(1 << 20));
  });
  expect(waited).toBeGreaterThan(290);
  server.close();
});

test("bytes from the peer put the idle limit off", async () => {
  const server = await serverWith((socket) => {
    let left = 20;
    const drip = setInterval(() => --left === 0 ? clearInterval(drip) : socket.write("x"), 20);
  });
  const { waited, bytes } = await untilTimeout(server.port, () => {});
  expect(bytes).toBeGreaterThan(0);
  expect(waited).toBeGreaterThan(290);
  server.close();
});

test("after the end bytes from the peer do not put the limit off", async () => {
  let more: ReturnType<typeof setInterval> | undefined;
  const server = await serverWith((socket) => {
    socket.on("error", () => {});
    more = setInterval(() => void socket.write("x"), 20);
  }, { allowHalfOpen: true });
  // It does not come where they do.
  await untilTimeout(server.port, (connection) => connection.end());
  clearInterval(more);
  server.close();
});

test("no limit, no call", async () => {
  const server = await serverWith(() => {});
  let called = false;
  const connection = await connect({ host: "127.0.0.1", port: server.port }, { timeout: 60_000 }, () => ({
    ...quiet,
    timeout: () => void (called = true),
  }));
  connection.setTimeout(20);
  connection.setTimeout(0);
  await untilNextTick(100);
  expect(called).toBe(false);
  connection.destroy();
  server.close();
});

test("an accepted connection has the same limit", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const listener = await listen({ host: "127.0.0.1", port: 0 }, { maxConnections: 10 }, (connection) => {
    connection.setTimeout(50);
    return { ...quiet, timeout: () => (resolve("timeout"), connection.destroy()) };
  });
  const client = net.connect(listener.port, "127.0.0.1");
  expect(await promise).toBe("timeout");
  client.destroy();
  listener.close();
});

test("a paused connection reads nothing, not even in store, and goes on where it was", async () => {
  const SIZE = 8 << 20;
  const server = await serverWith((socket) => void socket.end(Buffer.alloc(SIZE, "x")));
  const ended = Promise.withResolvers<void>();
  let [bytes, pauses, inStore] = [0, 0, 0];
  const connection = await connect({ host: "127.0.0.1", port: server.port }, { timeout: 60_000 }, (own) => ({
    ...quiet,
    data(chunk) {
      bytes += chunk.length;
      const before = bytes;
      pauses++;
      own.pause();
      // A few turns of the event loop, in which the peer's bytes are there.
      setTimeout(() => {
        inStore += bytes - before + own.socket.readableLength;
        own.resume();
      }, 2);
    },
    end: () => ended.resolve(),
  }));
  await ended.promise;
  expect([bytes, inStore, pauses > 8]).toEqual([SIZE, 0, true]);
  connection.destroy();
  server.close();
});
