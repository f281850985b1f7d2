// `mta doctor` where a library leaves syncs out, as in some containers for builds: what is accepted would not be kept.
import { expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { runMta } from "../../kit/server.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "eatmydata");

const LIBRARY = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/libeatmydata.so`;

test("a sync that stores nothing is told from one that does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mta-lost-sync-"));
  for (const name of ["queue", "data"]) mkdirSync(join(folder, name));
  const lines = [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    "alias_maps =",
    "dns_servers = 127.0.0.1:9",
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
  ];
  writeFileSync(join(folder, "main.cf"), `${lines.join("\n")}\n`);
  const { stdout } = await runMta(["-c", folder, "doctor", "--json"], { env: { LD_PRELOAD: LIBRARY } });
  rmSync(folder, { recursive: true });
  const { results } = JSON.parse(stdout) as { results: { check: string; found: string; fix?: string }[] };
  const found = results.filter(({ check }) => check === "queue");
  // In memory a sync is never more than that.
  if (found.some(({ found: text }) => text.includes("is in memory"))) return;
  expect(found.map(({ found: text }) => text).join("\n")).toMatch(
    /a sync in .* takes .* microseconds: no disk is that quick/,
  );
});
