import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isHonoured } from "../check/check_honoured.ts";
import { HONOURED } from "./honoured.ts";
import { patterns } from "./parameters.ts";
import type { Settings } from "./settings_type.ts";
import { ROWS } from "../scope.ts";

test("honoured.ts is what scripts/honoured.ts makes of the code", () => {
  const root = join(import.meta.dirname!, "../../..");
  const command = [process.execPath, "--no-install", join(root, "scripts/honoured.ts"), "--check"];
  const { stderr } = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  expect(stderr.toString()).toBe("");
});

test("it names parameters only, and transports' parameters count for every transport", () => {
  const known = new Set([...ROWS.keys(), ...Object.keys(patterns)]);
  expect(HONOURED.filter((name) => !known.has(name))).toEqual([]);
  expect(["slow_destination_rate_delay", "local_destination_recipient_limit", "mail_name"].map(isHonoured))
    .toEqual([true, true, true]);
  expect(["proxy_read_maps", "nosuch"].map(isHonoured)).toEqual([false, false]);
});

test("what no list names is not honoured, whatever messages mention", () => {
  expect(["smtpd_tls_trace_size_limit", "tls_config_file"].map(isHonoured)).toEqual([false, false]);
});

test("the type of the settings has what the lists name, and nothing else", () => {
  const settings: Partial<Settings> = { mail_name: "mta", smtpd_milters: "" };
  // @ts-expect-error: no code may read a parameter that no list names.
  const unlisted = settings.smtpd_tls_trace_size_limit;
  expect([settings.mail_name, unlisted]).toEqual(["mta", undefined]);
});

/** Declarations of lists. */
const LISTS = /export const \w+_(?:PARAMETERS|DEMANDS)\b[^;]*;/g;

/** Whether code has a name, or builds it: `${program}_header_checks`, `${program}_${"header_checks"}`. */
function mentions(code: string, name: string): boolean {
  if (new RegExp(`\\b${name}\\b`).test(code)) return true;
  return [...name.matchAll(/_/g)].some(({ index }) =>
    code.includes(`}${name.slice(index)}`) || code.includes(`"${name.slice(index + 1)}"`)
  );
}

test("what a list names is read somewhere beside it", () => {
  const src = join(import.meta.dirname!, "../..");
  const code = [...new Bun.Glob("**/*.ts").scanSync(src)]
    .filter((file) => !/_test\.ts$|^config\/(?:parameters|check)\/|postconf/.test(file))
    .map((file) => readFileSync(join(src, file), "utf8")).join("\n");
  const listed = [...code.matchAll(LISTS)].flatMap(([list]) => [...list.matchAll(/"([a-z0-9_]+)"/gi)])
    .map((match) => match[1]!);
  const rest = code.replace(LISTS, "");
  expect(listed.length).toBeGreaterThan(400);
  expect([...new Set(listed)].filter((name) => !mentions(rest, name))).toEqual([]);
});
