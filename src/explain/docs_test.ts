// The runs of docs/access.md are made again and compared. UPDATE_DOCS=1 writes what they print into the page.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postmap } from "../commands/table/postmap.ts";
import { loadConfiguration } from "../config/load.ts";
import { openExplainParts } from "../worker/explain_parts.ts";
import { parseExplain } from "./arguments.ts";
import { explain } from "./explain.ts";
import type { Explanation } from "./explanation.ts";
import { printExplanation } from "./print/print.ts";

const PAGE = join(import.meta.dirname, "../../docs/access.md");
const FENCE = /^```\n([^]*?)^```\n/gm;
const directory = mkdtempSync(join(tmpdir(), "access-docs-"));
afterAll(() => rmSync(directory, { recursive: true }));

const here = (text: string) => text.replaceAll("/etc/postfix", directory);
const there = <T>(value: T): T => JSON.parse(JSON.stringify(value).replaceAll(directory, "/etc/postfix"));

async function run(command: string): Promise<string> {
  const request = parseExplain(command.split(" ").slice(2));
  const loaded = loadConfiguration({ directory });
  if (request === "help" || loaded.is === "bad") throw new Error(`cannot run: ${command}`);
  const explanation = await explain(loaded.configuration, request.session, request, openExplainParts);
  return printExplanation(there<Explanation>(explanation), { colour: false, all: false });
}

/** Writes a file down, and makes its index where main.cf names one. */
async function write(path: string, text: string, page: string): Promise<void> {
  writeFileSync(path, text);
  const spec = `hash:${path}`;
  if (!here(page).includes(`${spec}\n`)) return;
  const made = await postmap({ name: "postmap", configDirectory: directory, verbose: 0, args: [spec] });
  if (made !== 0) throw new Error(`postmap ${spec}: ${made}`);
}

/** Files are written down, runs are made; answers the page with what the runs print. */
async function played(page: string): Promise<string> {
  let out = "";
  let from = 0;
  for (const match of page.matchAll(FENCE)) {
    const [whole, body = ""] = match;
    const file = /^# (\/etc\/postfix\/\S+)\n/.exec(body);
    const command = /^\$ (mta explain .*)\n/.exec(body)?.[1];
    if (file !== null) await write(here(file[1]!), here(body), page);
    out += page.slice(from, match.index);
    out += command === undefined ? whole : `\`\`\`\n$ ${command}\n${await run(command)}\`\`\`\n`;
    from = match.index + whole.length;
  }
  return out + page.slice(from);
}

test("docs/access.md shows what mta explain prints", async () => {
  const page = readFileSync(PAGE, "utf8");
  const fresh = await played(page);
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(PAGE, fresh);
  else expect(page).toBe(fresh);
  expect(fresh.match(/^\$ mta explain/gm)!.length).toBeGreaterThanOrEqual(7);
  expect(fresh.split("\n").filter((line) => line.length > 100 && !line.includes(" | ") && /^ {2}/.test(line)))
    .toEqual([]);
});
