import { expect, test } from "bun:test";
import { type SqlConnection, SqlFault } from "../../platform/database/sql_client.ts";
import { SqlPool } from "./sql_pool.ts";

/** Connections that count themselves; `dead` ones fail at their next statement. */
class FakeServer {
  opened = 0;
  readonly open = new Set<FakeConnection>();
  refuses = false;

  readonly connect = async (): Promise<SqlConnection> => {
    if (this.refuses) throw new SqlFault("lost", "refused", "");
    const connection = new FakeConnection(++this.opened, this);
    this.open.add(connection);
    return connection;
  };

  die(): void {
    for (const each of this.open) each.dead = true;
  }
}

class FakeConnection implements SqlConnection {
  dead = false;
  isOpen = true;
  readonly id: number;
  readonly #server: FakeServer;

  constructor(id: number, server: FakeServer) {
    this.id = id;
    this.#server = server;
  }

  async run(): Promise<void> {
    if (this.dead) throw new SqlFault("lost", "Connection closed", "");
  }

  query = async () => [];

  close(): void {
    this.isOpen = false;
    this.#server.open.delete(this);
  }
}

const never = new AbortController().signal;
const idOf = async (connection: SqlConnection) => {
  await connection.run("");
  return (connection as FakeConnection).id;
};

function poolOf(server: FakeServer, most = 2): SqlPool {
  return new SqlPool({ connect: server.connect, most, idle: 60_000 });
}

test("connections are used again, and there are no more than allowed", async () => {
  const server = new FakeServer();
  const pool = poolOf(server);
  for (let at = 0; at < 5; at++) expect(await pool.use(never, idOf)).toBe(1);
  const gate = Promise.withResolvers<void>();
  const busy = Array.from(
    { length: 6 },
    () => pool.use(never, async (one) => (await gate.promise, await idOf(one))),
  );
  await new Promise(setImmediate);
  expect(server.opened).toBe(2);
  gate.resolve();
  expect(new Set(await Promise.all(busy))).toEqual(new Set([1, 2]));
  pool.close();
  expect(server.open.size).toBe(0);
});

test("a kept connection that is dead is replaced, with all its kind, and nobody notices", async () => {
  const server = new FakeServer();
  const pool = poolOf(server);
  await Promise.all([pool.use(never, idOf), pool.use(never, idOf)]);
  server.die();
  expect(await pool.use(never, idOf)).toBe(3);
  expect(server.open.size).toBe(1);
  expect(await pool.use(never, idOf)).toBe(3);
  pool.close();
});

test("a new connection that dies is a failure, and leaves its place to others", async () => {
  const server = new FakeServer();
  const pool = poolOf(server, 1);
  const dying = pool.use(never, async (one) => ((one as FakeConnection).dead = true, await idOf(one)));
  expect(dying).rejects.toThrow("Connection closed");
  await dying.catch(() => {});
  server.refuses = true;
  expect(pool.use(never, idOf)).rejects.toThrow("refused");
  await new Promise(setImmediate);
  server.refuses = false;
  expect(await pool.use(never, idOf)).toBe(2);
  pool.close();
});

test("a statement that the server refuses keeps the connection", async () => {
  const server = new FakeServer();
  const pool = poolOf(server);
  const refused = pool.use(never, () => Promise.reject(new SqlFault("refused", "no such table", "42P01")));
  expect(refused).rejects.toThrow("no such table");
  await refused.catch(() => {});
  expect(await pool.use(never, idOf)).toBe(1);
  pool.close();
});

test("whoever gives up ends his connection, or his waiting", async () => {
  const server = new FakeServer();
  const pool = poolOf(server, 1);
  const first = new AbortController();
  const gate = Promise.withResolvers<void>();
  const hanging = pool.use(first.signal, async (one) => {
    await gate.promise;
    if (!one.isOpen) throw new SqlFault("lost", "Connection closed", "");
  });
  const second = new AbortController();
  const waiting = pool.use(second.signal, idOf);
  await new Promise(setImmediate);
  second.abort(new Error("no longer"));
  expect(waiting).rejects.toThrow("no longer");
  first.abort(new Error("too late"));
  expect(server.open.size).toBe(0);
  gate.resolve();
  expect(hanging).rejects.toThrow("Connection closed");
  await hanging.catch(() => {});
  expect(await pool.use(never, idOf)).toBe(2);
  pool.close();
  expect(pool.use(never, idOf)).rejects.toThrow("the table is closed");
});

test("an idle connection is closed after its time", async () => {
  const server = new FakeServer();
  const pool = new SqlPool({ connect: server.connect, most: 2, idle: 5 });
  await pool.use(never, idOf);
  expect(server.open.size).toBe(1);
  while (server.open.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(await pool.use(never, idOf)).toBe(2);
  pool.close();
});

test("whoever has waited longest is next, and nobody who comes later overtakes", async () => {
  const server = new FakeServer();
  const pool = poolOf(server, 1);
  const order: string[] = [];
  const ask = (name: string) => pool.use(never, async (one) => (order.push(name), await idOf(one)));
  const first = ask("first").then(() => ask("late"));
  await Promise.all([first, ask("second"), ask("third")]);
  expect(order).toEqual(["first", "second", "third", "late"]);
  expect(server.opened).toBe(1);
  pool.close();
});
