// Sessions explained under a configuration directory of the test's own, and the same sessions for real.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { postmap } from "../../src/commands/table/postmap.ts";
import { loadConfiguration } from "../../src/config/load.ts";
import type { Configuration } from "../../src/config/service.ts";
import { explain } from "../../src/explain/explain.ts";
import type { Explanation, ProvenEdit } from "../../src/explain/explanation.ts";
import { printExplanation } from "../../src/explain/print/print.ts";
import type { ExplainOptions, SessionDescription } from "../../src/explain/session_description.ts";
import { openExplainParts } from "../../src/worker/explain_parts.ts";

/** A configuration directory: main.cf, perhaps master.cf, tables. `%DIR%` stands for its path. */
export interface ExplainKit {
  readonly directory: string;
  configuration(): Configuration;
  explain(session: Partial<SessionDescription>, options?: Partial<ExplainOptions>): Promise<Explanation>;
  /** As people see it, with the directory's path as `/etc/postfix`. */
  print(session: Partial<SessionDescription>, options?: Partial<ExplainOptions>): Promise<string>;
  write(name: string, text: string): void;
  read(name: string): string;
  /** `mta postmap hash:NAME`. */
  index(name: string): Promise<void>;
  /** Does what an edit says, to the files. */
  make(edit: ProvenEdit): void;
  close(): void;
}

const BASE = `compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
mynetworks = 10.0.0.0/8
inet_interfaces = 127.0.0.1
alias_maps =
local_recipient_maps = inline:{bob=x, ann=x}
`;

/** A stranger who writes to bob. */
const STRANGER: SessionDescription = {
  client: { address: "192.0.2.7", port: 40_000, name: "client.example.org" },
  helo: "client.example.org",
  sender: "ann@example.org",
  recipients: ["bob@example.com"],
};

/** Opens a directory with these files; main.cf gets a base that the test need not repeat, unless it brings all of it. */
export function explainKit(
  main: string,
  files: Readonly<Record<string, string>> = {},
  base = true,
): ExplainKit {
  const directory = mkdtempSync(join(tmpdir(), "explain-"));
  const path = (name: string) => name.startsWith("/") ? name : join(directory, name);
  const write = (name: string, text: string) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text.replaceAll("%DIR%", directory));
  };
  const read = (name: string) => readFileSync(path(name), "utf8");
  write("main.cf", (base ? BASE : "") + main);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const configuration = () => {
    const loaded = loadConfiguration({ directory });
    if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
    return loaded.configuration;
  };
  const explainHere = (session: Partial<SessionDescription>, options: Partial<ExplainOptions> = {}) =>
    explain(
      configuration(),
      { ...STRANGER, ...session },
      { dns: true, askPolicy: false, edits: false, ...options },
      openExplainParts,
    );
  return {
    directory,
    configuration,
    explain: explainHere,
    async print(session, options) {
      const explanation = await explainHere(session, options);
      const text = JSON.stringify(explanation).replaceAll(directory, "/etc/postfix");
      return printExplanation(JSON.parse(text), { colour: false, all: false });
    },
    write,
    read,
    async index(name) {
      const args = [`hash:${path(name)}`];
      const status = await postmap({ name: "postmap", configDirectory: directory, verbose: 0, args });
      if (status !== 0) throw new Error(`postmap ${name}: ${status}`);
    },
    make: (edit) => write(edit.file!, made(read(edit.file!), edit)),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The text with the edit made: a line gone, another, or more. */
function made(text: string, { line, before, after }: ProvenEdit): string {
  const lines = text.split("\n");
  if (line === undefined) return `${text.endsWith("\n") || text === "" ? text : `${text}\n`}${after}\n`;
  const indent = /^\s*/.exec(lines[line - 1]!)![0];
  if (before === undefined) lines.splice(line - 1, 0, after!);
  else if (after === undefined) lines.splice(line - 1, 1);
  else lines[line - 1] = indent + after;
  return lines.join("\n");
}
