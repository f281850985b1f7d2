import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfiguration } from "../../../config/load.ts";
import { printDiagnostic } from "../../../config/syntax/diagnostic.ts";
import { fakeUsers, fakeWorld } from "../../../../test/kit/memory/config_world.ts";
import { passwordKeys } from "./password_keys.ts";

let directory = "";
beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), "mta-passwords-"))));
afterAll(() => rmSync(directory, { recursive: true }));

const MASTER = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n";
const ON = "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:passwords\n";

/** What is found where `passwords` is the table, beside these files. */
function found(passwords: string, main: string, more: Readonly<Record<string, string>> = {}): string[] {
  for (const [name, text] of Object.entries({ passwords, ...more })) {
    writeFileSync(join(directory, name), text);
  }
  const files = {
    [`${directory}/main.cf`]: `compatibility_level = 3.6\n${main}\n`,
    [`${directory}/master.cf`]: MASTER,
  };
  const loaded = loadConfiguration({ directory, environment: {}, world: fakeWorld(files), users: fakeUsers });
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  const tables = { directory, parameter: () => undefined, warn: () => {}, clock: () => 0 };
  return passwordKeys(loaded.configuration, tables).map(({ text }) => text.replaceAll(directory, "DIR"));
}

const says = (line: number, key: string, why: string) =>
  `DIR/passwords, line ${line}: smtp_sasl_password_maps: nothing asks for "${key}": ${why}`;

test.each([
  ["[smtp.example.com]:587", "[smtp.example.com]:587"],
  ["[SMTP.example.com]:587", "[smtp.EXAMPLE.com]:587"],
  ["[smtp.example.com]", "[smtp.example.com]"],
  ["[smtp.example.com]:587", "smtp.example.com"],
  ["example.com", "mx.example.com"],
])("relayhost = %s asks for %s", (relayhost, key) => {
  expect(found(`${key} user:secret\n`, `${ON}relayhost = ${relayhost}`)).toEqual([]);
});

test.each([
  ["[smtp.example.com]:587", "[smtp.example.com]"],
  ["[smtp.example.com]:587", "smtp.example.com:587"],
  ["[smtp.example.com]:587", "[smtp.example.com]:25"],
  ["[smtp.example.com]", "[smtp.example.com]:587"],
])("relayhost = %s does not ask for %s, and how it is written is said", (relayhost, key) => {
  expect(found(`# relays\n${key} user:secret\n`, `${ON}relayhost = ${relayhost}`)).toEqual([
    says(2, key, `the next hop is written ${relayhost}`),
  ]);
});

test("next hops of tables, transports and fallback relays count", () => {
  const main =
    `${ON}transport_maps = texthash:transport\nsender_dependent_relayhost_maps = texthash:by_sender\n` +
    "smtp_fallback_relay = [c.example]:587\ndefault_transport = smtp:[d.example]:587\n";
  const more = { transport: "x.example smtp:[a.example]:587\n", by_sender: "@y.example [b.example]:587\n" };
  const keys = ["a", "b", "c", "d"].map((name) => `[${name}.example]:587 user:secret\n`).join("");
  expect(found(keys, main, more)).toEqual([]);
  expect(found("[e.example]:587 u:s\n", main, more)).toEqual([
    says(1, "[e.example]:587", "no next hop is written like that (relayhost, transport_maps)"),
  ]);
});

test("nothing is said where a table that others keep may name next hops, nor where nobody logs in", () => {
  const key = "[smtp.example.com] user:secret\n";
  const hop = "relayhost = [smtp.example.com]:587\n";
  expect(found(key, `${ON}${hop}transport_maps = mysql:/etc/transport.cf`)).toEqual([]);
  expect(found(key, `smtp_sasl_password_maps = texthash:passwords\n${hop}`)).toEqual([]);
});

test("senders are asked for only where that is turned on", () => {
  const key = "ann@example.com user:secret\n";
  const hop = "relayhost = [smtp.example.com]:587\n";
  expect(found(key, `${ON}${hop}`)).toEqual([
    says(1, "ann@example.com", "senders are looked up only with smtp_sender_dependent_authentication = yes"),
  ]);
  expect(found(key, `${ON}${hop}smtp_sender_dependent_authentication = yes`)).toEqual([]);
});

test("of many such keys a few are named", () => {
  const keys = Array.from({ length: 10 }, (_, number) => `[h${number}.example]:587 user:secret\n`).join("");
  const texts = found(keys, `${ON}relayhost = [smtp.example.com]:587`);
  expect(texts.length).toBe(5);
  expect(texts[4]).toBe("DIR/passwords: smtp_sasl_password_maps: nothing asks for 6 more keys");
});

test("the secret stands in no finding", () => {
  expect(found("[a.example] user:SECRET\n", `${ON}relayhost = [a.example]:587`).join()).not.toContain(
    "SECRET",
  );
});

test("a table that is written into main.cf is named without what it holds", () => {
  const main =
    "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = inline:{{[a.example]:587=ann:secret}}\n" +
    "relayhost = [a.example]:25\n";
  expect(found("", main)).toEqual([
    expect.stringMatching(/^inline:\.\.\.: smtp_sasl_password_maps: nothing asks for "\[a\.example\]:587": /),
  ]);
  expect(found("", main).join()).not.toContain("secret");
});
