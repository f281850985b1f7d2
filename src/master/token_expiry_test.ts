import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metrics } from "../observe/metrics.ts";
import { exposeTokenExpiry } from "./token_expiry.ts";

let folder = "";
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "token-expiry-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const samples = (metrics: Metrics) =>
  metrics.snapshot().flatMap((family) => family.samples.map(({ labels, value }) => [labels, value]));

test("the end of each file's token is told, and of nothing else that lies there", () => {
  const metrics = new Metrics();
  exposeTokenExpiry(metrics, () => folder);
  expect(samples(metrics)).toEqual([]);
  const kept = join(folder, "oauth");
  mkdirSync(kept);
  const state = JSON.stringify({ access_token: "SECRET", expires: 1_800_000_000_500, refresh_token: "" });
  writeFileSync(join(kept, "gmail.json-0123abcd"), state);
  writeFileSync(join(kept, "gmail.json-0123abcd.lock"), "");
  writeFileSync(join(kept, "other.json-0123abcd"), "{");
  writeFileSync(join(folder, "elsewhere"), state);
  symlinkSync(join(folder, "elsewhere"), join(kept, "link.json-0123abcd"));
  expect(samples(metrics)).toEqual([[["gmail.json"], 1_800_000_000]]);
  rmSync(join(kept, "gmail.json-0123abcd"));
  expect(samples(metrics)).toEqual([]);
});
