import { expect, test } from "bun:test";
import { join } from "node:path";
import { isHonoured } from "../check/check_honoured.ts";
import { HONOURED } from "./honoured.ts";
import { patterns } from "./parameters.ts";
import { ROWS } from "../scope.ts";

test("honoured.ts is what scripts/honoured.ts makes of the code", () => {
  const root = join(import.meta.dirname!, "../../..");
  const command = [process.execPath, "--no-install", join(root, "scripts/honoured.ts"), "--check"];
  const { stderr } = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  expect(stderr.toString()).toBe("");
});

test("it names parameters only, and transports' parameters count for every transport", () => {
  const known = new Set([...ROWS.keys(), ...Object.keys(patterns)]);
  expect([...HONOURED].filter((name) => !known.has(name))).toEqual([]);
  expect(["slow_destination_rate_delay", "local_destination_recipient_limit", "mail_name"].map(isHonoured))
    .toEqual([true, true, true]);
  expect(["proxy_read_maps", "nosuch"].map(isHonoured)).toEqual([false, false]);
});

test("a parameter that messages mention is not acted on for that", () => {
  expect(["smtpd_tls_CAfile", "smtpd_tls_CApath"].map(isHonoured)).toEqual([false, false]);
});
