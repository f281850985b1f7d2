import { expect, test } from "bun:test";
import { tlsLogParts } from "./log_level.ts";
import { logPartsByPeer } from "./peer_log_level.ts";

const PEER = { name: "mx.example", address: "192.0.2.7" };
type Find = Parameters<typeof logPartsByPeer>[0]["find"];

async function told(find: Find) {
  const warnings: string[] = [];
  const general = tlsLogParts("1");
  const partsFor = logPartsByPeer({
    parameter: "smtp_tls_loglevel_maps",
    general,
    find,
    warn: (text) => warnings.push(text),
  });
  return { parts: [...await partsFor(PEER)].sort(), warnings };
}

test("the level of a peer is the table's, and the general one where no table has the peer", async () => {
  expect(await told(undefined)).toEqual({ parts: ["summary"], warnings: [] });
  expect(await told(() => ({ is: "absent" }))).toEqual({ parts: ["summary"], warnings: [] });
  expect(await told(() => ({ is: "found", value: "0" }))).toEqual({ parts: [], warnings: [] });
  expect(await told(() => Promise.resolve({ is: "found", value: "2" })))
    .toEqual({ parts: ["cache", "summary", "verbose"], warnings: [] });
});

test("a table that cannot be asked leaves the general level, and a warning", async () => {
  expect(await told(() => ({ is: "trouble", why: "hash:/x lookup error" }))).toEqual({
    parts: ["summary"],
    warnings: ["smtp_tls_loglevel_maps: hash:/x lookup error"],
  });
});

test("a word that means nothing is warned of, and the whole entry is as no logging", async () => {
  expect(await told(() => ({ is: "found", value: "summary,bogus" }))).toEqual({
    parts: [],
    warnings: ['unknown smtp_tls_loglevel_maps value "bogus" in "summary,bogus"'],
  });
});
