// The service's commands where no service runs: what they say, and their exit status (postfix(1)).
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../command_rows.ts";
import { REPLACED } from "./replaced_commands.ts";

const MAIN = join(import.meta.dirname!, "../../main.ts");
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "service-commands-"));
  for (const name of ["q", "d", "empty"]) mkdirSync(join(folder, name));
  writeFileSync(
    join(folder, "main.cf"),
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nalias_maps =\n" +
      `queue_directory = ${folder}/q\ndata_directory = ${folder}/d\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(directory: string, ...words: readonly string[]) {
  const child = Bun.spawn([process.execPath, "--no-install", MAIN, "-c", directory, ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, out, err };
}

const DOWN = "the Postfix mail system is not running\n";

describe("where no service runs", () => {
  test.each(["stop", "abort", "reload", "flush"])("%s is fatal, status 1", async (command) => {
    expect(await run(folder, command))
      .toEqual({ status: 1, out: "", err: `postfix/postfix-script: fatal: ${DOWN}` });
  });

  test("status says so, as text and as JSON, status 1", async () => {
    expect(await run(folder, "status")).toEqual({
      status: 1,
      out: "",
      err: `postfix/postfix-script: ${DOWN}`,
    });
    expect(await run(folder, "status", "--json")).toEqual({ status: 1, out: '{"running":false}\n', err: "" });
  });

  test("version is one line, status 0, and asks for no configuration", async () => {
    const { status, out, err } = await run(join(folder, "empty"), "version");
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toMatch(/^mta \S+\n$/);
  });
});

const service = Object.entries(COMMANDS).filter(([name, { group, options }]) =>
  group === "service" && options !== undefined && !Object.hasOwn(REPLACED, name)
);
const RUNNING = ["start", "serve", "start-fg", "stop", "abort", "reload", "status", "check", "flush"];

describe("every command of the service", () => {
  test.each(RUNNING)("%s names the main.cf that is missing, status 1", async (command) => {
    const { status, err } = await run(join(folder, "empty"), command);
    expect(status).toBe(1);
    expect(err).toContain(`open ${folder}/empty/main.cf: No such file or directory`);
  });

  test.each(service.map(([name]) => name))(
    "%s refuses a word that is none of its own, status 1",
    async (name) => {
      const { status, out, err } = await run(folder, name, "--nonsense");
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).toStartWith(
        `mta ${name}: fatal: unknown argument: "--nonsense"\nusage: mta [-c config_dir] ${name}`,
      );
      for (const option of Object.keys(COMMANDS[name]!.options ?? {})) expect(err).toContain(`[${option}]`);
    },
  );
});

test.each(Object.entries(REPLACED))("%s says what to do instead, status 1", async (name, instead) => {
  expect(await run(folder, name))
    .toEqual({
      status: 1,
      out: "",
      err: `postfix/postfix-script: fatal: ${name}: not available: ${instead}\n`,
    });
});

test("a word that is no command is fatal, and none at all is the list of commands; status 1 both", async () => {
  expect(await run(folder, "nonsense"))
    .toEqual({ status: 1, out: "", err: 'mta: fatal: unknown command: "nonsense". Try "mta --help".\n' });
  const { status, err, out } = await run(folder);
  expect(status).toBe(1);
  for (const [name, { hidden }] of Object.entries(COMMANDS)) {
    if (hidden !== true) expect(`${out}${err}`).toMatch(new RegExp(`^ .* ${name}(?: |$)`, "m"));
  }
});

test("every command's --help fits a screen of 24 lines and 80 columns, status 0", async () => {
  for (const name of Object.keys(COMMANDS)) {
    const { status, out } = await run(folder, name, "--help");
    const lines = out.trimEnd().split("\n");
    expect({ name, status, usage: out.startsWith("usage: mta"), height: lines.length <= 24 })
      .toEqual({ name, status: 0, usage: true, height: true });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  }
}, 60_000);
