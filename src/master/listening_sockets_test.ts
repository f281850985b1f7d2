import { expect, test } from "bun:test";
import type { Endpoint } from "../config/listening_endpoints.ts";
import { ListeningSockets } from "./listening_sockets.ts";

const at = (port: number, address = "127.0.0.1"): Endpoint => ({
  address,
  port,
  service: 0,
  optional: false,
});

function fakeCalls(taken: readonly number[] = []) {
  const open = new Map<number, string>();
  let next = 10;
  return {
    open,
    calls: {
      open({ address, port }: { address: string; port: number }, _backlog: number, shared: boolean): number {
        const others = [...open.values()].some((place) => place.endsWith(` ${port}`));
        if (taken.includes(port) || (!shared && others)) {
          throw Object.assign(new Error("bind"), { code: "EADDRINUSE", errno: 98 });
        }
        open.set(next, `${address} ${port}`);
        return next++;
      },
      close: (fd: number) => void open.delete(fd),
    },
  };
}

test("one socket a worker and endpoint", () => {
  const { calls, open } = fakeCalls();
  const sockets = new ListeningSockets(calls);
  const prepared = sockets.prepare([at(25), at(587)], 3);
  prepared.commit();
  expect(prepared.of(at(25))).toHaveLength(3);
  expect([...open.values()].filter((place) => place === "127.0.0.1 587")).toHaveLength(3);
});

test("a reload keeps the sockets that stay, opens what is new, closes what went", () => {
  const { calls, open } = fakeCalls();
  const sockets = new ListeningSockets(calls);
  sockets.prepare([at(25), at(587)], 1).commit();
  const kept = [...open.keys()][0]!;
  const next = sockets.prepare([at(25), at(465)], 1);
  expect([...open.values()].sort()).toEqual(["127.0.0.1 25", "127.0.0.1 465", "127.0.0.1 587"]);
  next.commit();
  expect(next.of(at(25))).toEqual([kept]);
  expect([...open.values()].sort()).toEqual(["127.0.0.1 25", "127.0.0.1 465"]);
});

test("fewer workers share all sockets that are there: none is closed with connections in it", () => {
  const { calls } = fakeCalls();
  const sockets = new ListeningSockets(calls);
  sockets.prepare([at(25)], 4).commit();
  expect(sockets.prepare([at(25)], 2).of(at(25))).toHaveLength(4);
});

test("a port that is taken is named in master's words, and nothing stays open", () => {
  const { calls, open } = fakeCalls([25]);
  const sockets = new ListeningSockets(calls);
  expect(() => sockets.prepare([at(587), at(25)], 2)).toThrow(
    "bind 127.0.0.1 port 25: Address already in use",
  );
  expect(open.size).toBe(0);
});

test("a rolled back reload leaves the old set as it was", () => {
  const { calls, open } = fakeCalls();
  const sockets = new ListeningSockets(calls);
  sockets.prepare([at(25)], 1).commit();
  sockets.prepare([at(25), at(465)], 2).rollback();
  expect([...open.values()]).toEqual(["127.0.0.1 25"]);
});
