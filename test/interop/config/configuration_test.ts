// Values of main.cf under Postfix's own programs and under ours: what stops them stops us, with the same words, and what
// they take we take.
import { expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopsAll } from "../../../src/config/check/closings.ts";
import { loadConfiguration } from "../../../src/config/load.ts";
import { parameters } from "../../../src/config/parameters/parameters.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix");

let folder = "";
let count = 0;

function directoryWith(main: string): string {
  const directory = join(folder, String(count++));
  mkdirSync(directory);
  const text = `mail_owner = postfix\nsmtpd_recipient_restrictions = reject\n${main}\n`;
  writeFileSync(join(directory, "main.cf"), text);
  utimesSync(join(directory, "main.cf"), 1e9, 1e9);
  return directory;
}

/** What a program that reads the common parameters says first. */
async function theirFatal(directory: string): Promise<string | undefined> {
  const child = Bun.spawn(["/usr/sbin/postmap", "-c", directory, "-q", "x", "static:y"], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const text = await new Response(child.stderr).text();
  return /fatal: (.*)/.exec(text)?.[1];
}

function ourErrors(directory: string): string[] {
  const loaded = loadConfiguration({ directory });
  return loaded.is === "bad" ? loaded.errors.map(({ text }) => text) : [];
}

/** Reasons that Postfix gives as a warning before its `dictionary mail_dict: macro processing error`. */
const MACRO_ERROR = "dictionary mail_dict: macro processing error";

const BAD = [
  ...["maybe", "", "1", "true", "yes no", "y"].map((value) => `soft_bounce = ${value}`),
  ...["10x", "", "0x10", "1.5", " 1 2", "99999999999", "-", "+", "1k"].map((value) =>
    `default_process_limit = ${value}`
  ),
  ...["0", "-1", "-2147483648"].map((value) => `default_process_limit = ${value}`),
  ...["7", "100"].map((value) => `delay_logging_resolution_limit = ${value}`),
  ...["10m", "", "9223372036854775808", "1e6"].map((value) => `message_size_limit = ${value}`),
  ...[
    "1.5h",
    "",
    "1 h",
    "1y",
    "h",
    "-1s",
    "1S",
    "99999999999",
    "2147483647m",
    "35791394m",
    "24855d",
    "3551w",
    "1H",
  ]
    .map((value) => `max_idle = ${value}`),
  "max_idle = 0",
  "in_flow_delay = 11",
  "in_flow_delay = 1m",
  "myorigin =",
  "myorigin = a b",
  "myorigin = /nowhere/mailname",
  "mail_name =",
  "default_verp_delimiters = +",
  "default_verp_delimiters = +==",
  "default_verp_delimiters = aa",
  "default_verp_delimiters = +a",
  "syslog_facility = nosuch",
  "syslog_facility = MAIL",
  "inet_protocols = foo",
  "inet_protocols = IPv4",
  ...["x..y", "-a", "a-", ".a", "a.", "a b", "1.2.3", "x".repeat(64), "a.b-.c", "@"].map((value) =>
    `myhostname = ${value}`
  ),
  "mydomain = x..y",
  "mail_owner = nosuch",
  "mail_owner = root",
  "default_privs = nosuch",
  "default_privs = root",
  "default_privs = postfix",
  "myhostname = h.example\nrelayhost = H.example",
  "mynetworks_style = host subnet",
  "mynetworks_style = foo",
  "inet_interfaces = 203.0.113.5",
  "inet_interfaces = nosuch.invalid",
  "compatibility_level = 3.x",
  "compatibility_level =",
  "compatibility_level = 3.1024",
  "compatibility_level = 1.2.3.4",
  "compatibility_level = -1",
  "foo",
  "= bar",
  "soft_bounce = $nosuch",
  "soft_bounce = ${",
  "mail_name = $mail_name",
];

const GOOD = [
  ...["YES", "No", "${nosuch:yes}"].map((value) => `soft_bounce = ${value}`),
  ...["007", "+5", "2147483647", "${stress?{1}:{50}}"].map((value) => `default_process_limit = ${value}`),
  ...["0", "6", "-3"].filter((value) => value !== "-3").map((value) =>
    `delay_logging_resolution_limit = ${value}`
  ),
  ...["9223372036854775807", "+10240000"].map((value) =>
    `mailbox_size_limit = 0\nvirtual_mailbox_limit = 0\nmessage_size_limit = ${value}`
  ),
  ...["5minutes", "2hh", "1d2h", "100", "24854d", "35791393m", "1sX", "+3s"].map((value) =>
    `max_idle = ${value}`
  ),
  "in_flow_delay = 0",
  "in_flow_delay = 10",
  "myhostname = a_b.example",
  "myhostname = x-1.2a",
  "compatibility_level = 9999",
  "compatibility_level = +3.6",
  "compatibility_level = 3.6.1",
  "inet_protocols = ipv4, ipv6",
  "mynetworks_style = class",
  "process_id = 5",
];

describe("values of main.cf against Postfix's own programs", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "configuration-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("what stops them stops us, with the same words", async () => {
    const check = async (main: string) => {
      const directory = directoryWith(main);
      const [real, own] = [await theirFatal(directory), ourErrors(directory)];
      expect({ main, stopped: real !== undefined }).toEqual({ main, stopped: true });
      expect({ main, stopped: own.length > 0 }).toEqual({ main, stopped: true });
      if (real !== MACRO_ERROR) expect({ main, own }).toEqual({ main, own: expect.arrayContaining([real]) });
    };
    for (let at = 0; at < BAD.length; at += 12) await Promise.all(BAD.slice(at, at + 12).map(check));
  }, 180_000);

  test("what they take we take", async () => {
    await Promise.all(GOOD.map(async (main) => {
      const directory = directoryWith(main);
      expect({ main, real: await theirFatal(directory), own: ourErrors(directory) }).toEqual({
        main,
        real: undefined,
        own: [],
      });
    }));
  }, 180_000);

  test(
    "a value that cannot be expanded stops everything here where it stops every program of Postfix, else a service",
    async () => {
      // What 3.7 does not know it does not read; the last are set by the programs themselves, or read before main.cf.
      const newer = (since: string) => since === "mta" || /^3\.(?:[89]|1\d)/.test(since);
      const own = /^(?:process_id|process_name|service_name|config_directory|debugger_command)$/;
      const names = Object.entries(parameters)
        .filter(([name, { since, fallback }]) =>
          !newer(since) && !fallback.startsWith("(") && !own.test(name)
        )
        .map(([name]) => name);
      const wrong: string[] = [];
      const check = async (name: string) => {
        const masters = parameters[name as keyof typeof parameters].daemons.split(",").includes("master");
        const stopped = masters || await theirFatal(directoryWith(`${name} = \${`)) !== undefined;
        if (stopped !== stopsAll(name)) wrong.push(`${name}: ${stopped ? "stops all" : "stops some"} there`);
      };
      for (let at = 0; at < names.length; at += 12) await Promise.all(names.slice(at, at + 12).map(check));
      expect(names.length).toBeGreaterThan(800);
      expect(wrong).toEqual([]);
    },
    180_000,
  );
});
