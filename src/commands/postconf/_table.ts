import { expand, references } from "../../config/syntax/expand.ts";
import { splitNameValue } from "../../config/syntax/logical_lines.ts";
import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import {
  hasDefault,
  READ_ONLY,
  ROWS,
  Scope,
  type Setting,
  TRANSPORT_ROWS,
  TRANSPORT_SUFFIXES,
  UNEXPANDED,
} from "../../config/scope.ts";
import type { World } from "../../config/world.ts";
import { scanClients } from "./_clients.ts";
import { fatal } from "./_fault.ts";
import { type MasterLine, readParameters } from "./_master.ts";
import type { ParameterClass } from "./_options.ts";

/** A name that postconf knows. */
interface Node {
  class: ParameterClass | "legacy";
  /** The built-in value, where there is one. */
  readonly fallback: () => string;
}

/** What the table is made of. */
export interface TableSource {
  readonly directory: string;
  /** main.cf's values by name; with -d there are none. */
  readonly main: Map<string, string>;
  readonly master: readonly MasterLine[];
  readonly world: World;
  readonly defaultsOnly: boolean;
  readonly warn: (text: string) => void;
}

const TRANSPORT_PROGRAMS = new Set(["local", "error", "virtual", "smtp", "lmtp", "pipe"]);
const TIMED_PROGRAMS = new Set(["pipe", "spawn"]);

/** All names that postconf(1) knows in one configuration, and their values. */
export class ParameterTable {
  readonly #source: TableSource;
  readonly #nodes = new Map<string, Node>();
  readonly #scope: Scope;
  readonly #clientFiles = new Set<string>();
  readonly #classes = new Set<string>();

  constructor(source: TableSource) {
    this.#source = source;
    const settings = new Map<string, Setting>();
    for (const [name, value] of source.main) settings.set(name, { name, value, file: "main.cf" });
    settings.delete("config_directory");
    const context = { directory: source.directory, world: source.world, main: settings };
    this.#scope = new Scope(context, new Map());
    this.#addBuiltIn();
    this.#addService();
    if (!source.defaultsOnly) this.#addUser();
  }

  /** Names of the given classes, in byte order. */
  names(classes: ReadonlySet<ParameterClass>): string[] {
    return [...this.#nodes].filter(([, node]) => node.class !== "legacy" && classes.has(node.class))
      .map(([name]) => name).sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  }

  has(name: string): boolean {
    return this.#nodes.has(name);
  }

  /** The value as written or built in; undefined when -n hides it. */
  lookup(name: string, entry: MasterLine | undefined, hideDefaults = false): string | undefined {
    const { main, defaultsOnly } = this.#source;
    if (!defaultsOnly) {
      const set = entry?.readOnly.get(name) ?? entry?.parameters?.get(name) ?? main.get(name);
      if (set !== undefined || hideDefaults) return set;
    }
    return this.#nodes.get(name)?.fallback();
  }

  /** The value with its `$name`s filled in. */
  expand(value: string, entry?: MasterLine): string {
    const expansion = expand(value, (name) => this.lookup(name, entry));
    if (expansion.is === "text") return expansion.text;
    this.#source.warn(expansion.why);
    return fatal("macro processing error");
  }

  #addBuiltIn(): void {
    for (const [name, row] of ROWS) {
      this.#nodes.set(
        name,
        hasDefault(row)
          ? { class: "builtin", fallback: () => this.#builtin(name) }
          : { class: "legacy", fallback: () => "" },
      );
    }
  }

  #builtin(name: string): string {
    if (name === "config_directory") return ROWS.get(name)!.fallback;
    try {
      return this.#scope.builtin(name) ?? "";
    } catch (error) {
      if (!(error instanceof ConfigurationFault)) throw error;
      const { text, expected } = error.diagnostics[0]!;
      if (expected !== undefined) return fatal(text);
      this.#source.warn(text);
      return fatal("macro processing error");
    }
  }

  #addService(): void {
    for (const { words } of this.#source.master) {
      for (const suffix of TRANSPORT_SUFFIXES) {
        const programs = suffix === "_time_limit" ? TIMED_PROGRAMS : TRANSPORT_PROGRAMS;
        if (!programs.has(words[7]!)) continue;
        const name = `${words[0]}${suffix}`;
        const known = this.#nodes.get(name);
        if (known !== undefined) known.class = "service";
        else {this.#nodes.set(name, {
            class: "service",
            fallback: () => TRANSPORT_ROWS.get(suffix)!.fallback,
          });}
      }
    }
  }

  #addUser(): void {
    const { master, main } = this.#source;
    readParameters(master);
    for (const entry of master) if (entry.parameters !== undefined) this.#scanSpace(entry.parameters, entry);
    for (const [name, node] of [...this.#nodes]) {
      if (!UNEXPANDED.has(name) && !main.has(name)) this.#scanValue(node.fallback(), undefined);
    }
    this.#scanSpace(main, undefined);
  }

  /** What the values of main.cf, or of one entry's `-o`, say about names. */
  #scanSpace(space: Map<string, string>, entry: MasterLine | undefined): void {
    const classes = space.get("smtpd_restriction_classes");
    if (classes !== undefined) this.#scanClasses(classes, entry);
    for (const [name, value] of [...space]) {
      if (entry !== undefined && this.#classes.has(name)) entry.valid.add(name);
      const node = this.#nodes.get(name);
      if (node !== undefined && READ_ONLY.has(name)) {
        const file = `${this.#source.directory}/${entry === undefined ? "main.cf" : "master.cf"}`;
        this.#source.warn(`${file}: read-only parameter assignment: ${name}=${value}`);
        space.delete(name);
        continue;
      }
      if (node?.class === "legacy") node.class = "user";
      if (UNEXPANDED.has(name)) continue;
      this.#scanValue(value, entry);
      if (node !== undefined && node.class !== "user") this.#scanTables(this.expand(value, entry), entry);
    }
  }

  #scanClasses(text: string, entry: MasterLine | undefined): void {
    const own = expand(text, (name) => (entry?.parameters ?? this.#source.main).get(name));
    if (own.is === "error") {
      this.#source.warn(own.why);
      fatal(`dictionary ${entry?.place ?? "mail_dict"}: macro processing error`);
    }
    for (const name of own.text.split(/[, \t\r\n]+/).filter((word) => word !== "")) {
      if (entry === undefined) this.#classes.add(name);
      this.#use(name, entry);
    }
  }

  #scanValue(value: string, entry: MasterLine | undefined): void {
    const { names, why } = references(value);
    for (const name of names) this.#use(name, entry);
    if (why !== undefined) this.#source.warn(why);
  }

  /** `$name` makes a user-defined name count as used, wherever it is set. */
  #use(name: string, entry: MasterLine | undefined, mayBeUndefined = false): void {
    const { master, main, directory, warn } = this.#source;
    let supplied = false;
    if (entry?.parameters?.has(name)) {
      supplied = true;
      entry.valid.add(name);
    } else if (main.has(name)) {
      supplied = true;
      if (!this.#nodes.has(name)) this.#nodes.set(name, { class: "user", fallback: () => "" });
    }
    for (const each of entry === undefined ? master : []) {
      if (!each.parameters?.has(name)) continue;
      supplied = true;
      each.valid.add(name);
    }
    if (supplied || mayBeUndefined || this.#nodes.has(name)) return;
    warn(`${directory}/${entry === undefined ? "main.cf" : "master.cf"}: undefined parameter: ${name}`);
  }

  /** Tables with clients of their own bring names along. */
  #scanTables(value: string, entry: MasterLine | undefined): void {
    const { world, warn } = this.#source;
    scanClients(value, {
      use: (name) => this.#use(name, entry, true),
      read: (path) => world.readText(path),
      seen: this.#clientFiles,
      warn,
      place: entry === undefined ? "main.cf" : `master.cf:${entry.place}`,
    });
  }

  /** Warns of names in main.cf that nothing uses. */
  warnUnusedMain(): void {
    const { main, directory, warn } = this.#source;
    for (const [name, value] of main) {
      if (!this.#nodes.has(name)) {
        warn(`${directory}/main.cf: unused parameter: ${name}=${value}`);
      }
    }
  }

  /** Warns of names in master.cf's `-o` that nothing uses. */
  warnUnusedMaster(): void {
    const { master, directory, warn } = this.#source;
    for (const { parameters, valid } of master) {
      for (const [name, value] of parameters ?? []) {
        if (this.#nodes.has(name) || valid.has(name)) continue;
        warn(`${directory}/master.cf: unused parameter: ${name}=${value}`);
      }
    }
  }
}

/** Applies `-o name=value` over main.cf. */
export function applyOverrides(main: Map<string, string>, overrides: readonly string[]): void {
  for (const override of overrides) {
    const parsed = splitNameValue(override);
    if (typeof parsed === "string") fatal(`invalid parameter override: ${override}: ${parsed}`);
    main.set(parsed.name, parsed.value);
  }
}
