import { expect, test } from "bun:test";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { findPeer } from "./find_peer.ts";
import { mapsOf } from "./maps.ts";

const DOWN: Answer = { is: "trouble", retry: true, why: "down" };
const PEER = { name: "MX.a.Example", address: "192.0.2.7" };

/** What a table is asked for on the way to the answer. */
async function search(
  peer: { readonly name: string; readonly address: string },
  rows: Readonly<Record<string, string | Answer>> = {},
  { pattern = false, parentMatches = false, late = false } = {},
) {
  const asked: string[] = [];
  const lookup = (key: string): Answer => {
    asked.push(key);
    const row = rows[key] ?? ABSENT;
    return typeof row === "string" ? { is: "found", value: row } : row;
  };
  const table: Table = {
    spec: "test:rows",
    pattern,
    lookup: (key) => late ? Promise.resolve(lookup(key)) : lookup(key),
    close: () => {},
  };
  const maps = (...tables: Table[]) => mapsOf(tables, { warn: () => {} });
  const tables = { whole: maps(table), partial: pattern ? maps() : maps(table), parentMatches };
  return { answer: await findPeer(peer, tables), asked };
}

test("a peer is searched for by its name and the parents of it, then by its address and the networks of it", async () => {
  const networks = ["192.0.2.7", "192.0.2", "192.0", "192"];
  for (const late of [false, true]) {
    expect(await search(PEER, {}, { late })).toEqual({
      answer: ABSENT,
      asked: ["mx.a.example", ".a.example", ".example", ...networks],
    });
  }
  expect((await search(PEER, {}, { parentMatches: true })).asked).toEqual([
    "mx.a.example",
    "a.example",
    "example",
    ...networks,
  ]);
  expect((await search({ name: "unknown", address: "2001:DB8::1" })).asked)
    .toEqual(["unknown", "2001:db8::1", "2001:db8:", "2001:db8", "2001"]);
  expect((await search({ name: "bücher.example", address: "" })).asked)
    .toEqual(["xn--bcher-kva.example", ".example"]);
});

test("patterns are asked for whole names and addresses alone", async () => {
  expect((await search(PEER, {}, { pattern: true })).asked).toEqual(["mx.a.example", "192.0.2.7"]);
});

test("names that are no host names, and addresses that are none, are not asked for", async () => {
  expect((await search({ name: "192.0.2.7", address: "192.0.2.7" })).asked[0]).toBe("192.0.2.7");
  expect((await search({ name: "192.0.2.7", address: "" })).asked).toEqual([]);
  expect((await search({ name: "/run/lmtp", address: "/run/lmtp" })).asked).toEqual([]);
});

test("the first entry ends the search, DUNNO without one, and so does trouble", async () => {
  expect(await search(PEER, { ".example": "1", "192.0.2.7": "2" })).toMatchObject({
    answer: { is: "found", value: "1" },
    asked: ["mx.a.example", ".a.example", ".example"],
  });
  expect((await search(PEER, { "192.0": "2" })).answer).toEqual({ is: "found", value: "2" });
  expect((await search(PEER, { "mx.a.example": "dunno", "192.0.2.7": "2" })).answer).toEqual(ABSENT);
  const down = await search(PEER, { ".a.example": DOWN, "192.0.2.7": "2" });
  expect(down).toMatchObject({ answer: { is: "trouble" }, asked: ["mx.a.example", ".a.example"] });
});
