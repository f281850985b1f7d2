import { configurationDirectory } from "../../config/directory.ts";
import { parseMainCf } from "../../config/syntax/main_cf.ts";
import { realWorld, type World } from "../../config/world.ts";
import { readSmallFile } from "../../platform/file/small_files.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { ownProcessId } from "../../platform/host.ts";
import { environment, rawArguments, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { editMain, type EditMode } from "./_edit.ts";
import { MasterEditor } from "./_edit_master.ts";
import { fatal, PostconfFault } from "./_fault.ts";
import { type MasterLine, parseMaster } from "./_master.ts";
import { HELP, type PostconfOptions, readOptions, USAGE, UsageFault } from "./_options.ts";
import { type Output, showMaster, showParameters } from "./_show.ts";
import { applyOverrides, ParameterTable } from "./_table.ts";
import type { CommandContext } from "../command.ts";

/** One run of the command. All text is one character a byte, so that files and arguments keep theirs. */
class Postconf {
  readonly #options: PostconfOptions;
  readonly #directory: string;
  readonly #isNamed: boolean;
  readonly #world: World = realWorld(ownProcessId(), "postconf");
  #out = "";

  readonly output: Output = {
    write: (text) => void (this.#out += text),
    warn: (text) => say(`warning: ${text}`),
  };

  constructor(options: PostconfOptions, configDirectory: string | undefined) {
    this.#options = options;
    this.#directory = configurationDirectory(options.configDirectory ?? configDirectory, environment);
    this.#isNamed = this.#directory !== "/etc/postfix" ||
      (options.configDirectory ?? configDirectory ?? environment("MAIL_CONFIG")) !== undefined;
  }

  #has(letter: string): boolean {
    return this.#options.given.has(letter);
  }

  flush(): void {
    writeOut(Buffer.from(this.#out, "latin1"));
    this.#out = "";
  }

  async run(): Promise<number> {
    const editing = [..."e#X"].some((letter) => this.#has(letter));
    const master = [..."MFP"].some((letter) => this.#has(letter));
    if (this.#options.explain || this.#options.json) await this.#explain();
    else if (editing) this.#edit(master);
    else if (this.#has("p")) this.#showMain();
    else if (master) this.#showMaster();
    else return await this.#showOther();
    return 0;
  }

  #edit(master: boolean): void {
    const { names } = this.#options;
    if (names.length === 0) fatal("missing service argument");
    const mode: EditMode = this.#has("e") ? "set" : this.#has("#") ? "comment" : "remove";
    const warn = this.output.warn;
    if (!master) return editMain(`${this.#directory}/main.cf`, mode, names, warn);
    const part = this.#has("M") ? "M" : this.#has("F") ? "F" : "P";
    new MasterEditor({ path: `${this.#directory}/master.cf`, part, mode }, names, warn).run();
  }

  #showMain(): void {
    const defaultsOnly = this.#has("d");
    const main = defaultsOnly ? new Map<string, string>() : this.#readMain();
    const table = this.#table(main, this.#readMaster(this.output.warn), defaultsOnly);
    showParameters(this.#options, table, this.output);
    if (defaultsOnly) return;
    this.flush();
    table.warnUnusedMain();
    table.warnUnusedMaster();
  }

  #showMaster(): void {
    const entries = this.#readMaster(fatal);
    const table = this.#table(this.#readMain(), entries, false);
    showMaster(this.#options, entries, table, this.output);
    this.flush();
    table.warnUnusedMaster();
  }

  #table(main: Map<string, string>, master: readonly MasterLine[], defaultsOnly: boolean): ParameterTable {
    const { warn } = this.output;
    return new ParameterTable({
      directory: this.#directory,
      main,
      master,
      world: this.#world,
      defaultsOnly,
      warn,
    });
  }

  #readMain(): Map<string, string> {
    const path = `${this.#directory}/main.cf`;
    const main = new Map<string, string>();
    if (this.#isNamed) main.set("config_directory", this.#directory);
    const parsed = parseMainCf(readLatin1(path, fatal), path);
    for (const { level, text } of parsed.diagnostics) {
      level === "fatal" ? fatal(text) : this.output.warn(text);
    }
    for (const { name, value, line } of parsed.entries.values()) {
      const earlier = main.get(name);
      if (earlier !== undefined && earlier !== value) {
        this.output.warn(`${path}, line ${line}: overriding earlier entry: ${name}=${earlier}`);
      }
      main.set(name, value);
    }
    applyOverrides(main, this.#options.overrides);
    return main;
  }

  #readMaster(whenMissing: (text: string) => void): MasterLine[] {
    const path = `${this.#directory}/master.cf`;
    return parseMaster(readLatin1(path, whenMissing), path, this.output.warn);
  }

  async #showOther(): Promise<number> {
    const { showOther } = await import("./_other.ts");
    const status = await showOther(this.#options, this.#directory, this.output);
    this.flush();
    return status;
  }

  async #explain(): Promise<void> {
    const { explain } = await import("./_explain.ts");
    const main = this.#readMain();
    const table = this.#table(main, this.#readMaster(() => {}), false);
    explain(this.#options, main, table, this.output);
    this.flush();
  }
}

/** A line on standard error; what a terminal might act upon becomes `?`, as in all of Postfix's messages. */
function say(text: string): void {
  writeErr(`postconf: ${text.replace(/[^\x20-\x7e]/g, "?")}\n`);
}

/** A file one character a byte; "" when it cannot be opened and the caller goes on. */
function readLatin1(path: string, whenMissing: (text: string) => void): string {
  try {
    const bytes = readSmallFile(path);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  } catch (error) {
    whenMissing(`open ${path}: ${systemErrorText(error)}`);
    return "";
  }
}

/** The arguments one character a byte; the runtime decodes them as UTF-8, which loses bytes that are none. */
function byteArguments(args: readonly string[]): string[] {
  if (!args.some((arg) => arg.includes("\ufffd"))) {
    return args.map((arg) => Buffer.from(arg).toString("latin1"));
  }
  return rawArguments().slice(-args.length).map((arg) => Buffer.from(arg).toString("latin1"));
}

/** `mta postconf`: shows and changes main.cf and master.cf (postconf(1)). */
export async function postconf(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") {
    writeOut(HELP);
    return 0;
  }
  try {
    const run = new Postconf(readOptions(byteArguments(context.args)), context.configDirectory);
    const status = await run.run();
    run.flush();
    return status;
  } catch (error) {
    if (error instanceof UsageFault) {
      if (error.message !== "") say(error.message);
      say(`fatal: ${USAGE}`);
    } else if (error instanceof PostconfFault) say(`fatal: ${error.message}`);
    else throw error;
    return 1;
  }
}
