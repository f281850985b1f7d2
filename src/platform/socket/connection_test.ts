import { expect, test } from "bun:test";
import net from "node:net";
import { connect, type Connection, type ConnectionHandler, listen } from "./connection.ts";

const quiet: ConnectionHandler = {
  data: () => {},
  end: () => {},
  drain: () => {},
  timeout: () => {},
  close: () => {},
};

async function serverWith(
  accept: (socket: net.Socket) => void,
): Promise<{ port: number; close: () => void }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => (sockets.push(socket), accept(socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return { port, close: () => (sockets.forEach((socket) => socket.destroy()), void server.close()) };
}

/** Milliseconds until the time limit fires, or undefined when it does not within a second. */
async function timeUntilTimeout(
  port: number,
  use: (connection: Connection) => void,
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const started = performance.now();
  const connection = await connect({ host: "127.0.0.1", port }, { timeout: 1000 }, () => ({
    ...quiet,
    timeout: () => resolve(performance.now() - started),
  }));
  connection.setTimeout(100);
  use(connection);
  setTimeout(() => resolve(undefined), 1000);
  const waited = await promise;
  connection.destroy();
  return waited;
}

test("the idle limit fires when nothing moves", async () => {
  const server = await serverWith(() => {});
  expect(await timeUntilTimeout(server.port, () => {})).toBeGreaterThan(90);
  server.close();
});

test("the idle limit fires although bytes wait for a peer that does not read", async () => {
  const server = await serverWith((socket) => socket.pause());
  const waited = await timeUntilTimeout(server.port, (connection) => {
    for (let i = 0; i < 30; i++) connection.write(Buffer.alloc(1 << 20));
  });
  expect(waited).toBeGreaterThan(90);
  server.close();
});

test("bytes from the peer put the idle limit off", async () => {
  const server = await serverWith((socket) => {
    const drip = setInterval(() => socket.write("x"), 30);
    setTimeout(() => clearInterval(drip), 300);
  });
  expect(await timeUntilTimeout(server.port, () => {})).toBeGreaterThan(350);
  server.close();
});

test("no limit, no call", async () => {
  const server = await serverWith(() => {});
  expect(await timeUntilTimeout(server.port, (connection) => connection.setTimeout(0))).toBeUndefined();
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
