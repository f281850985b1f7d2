import { ConfigurationFault, type Diagnostic } from "./syntax/diagnostic.ts";
import { expand } from "./syntax/expand.ts";
import { trimAscii } from "./syntax/logical_lines.ts";
import type { ParameterRow } from "./parameters/parameter.ts";
import { parameters, patterns } from "./parameters/parameters.ts";
import { hiddenGateways } from "./container_gateway.ts";
import { computeMynetworks } from "./own_addresses.ts";
import { POSTFIX_VERSION } from "../base/version.ts";
import { checkValue, unitOf } from "./syntax/value.ts";
import type { World } from "./world.ts";

/** A value somebody set, and where. */
export interface Setting {
  readonly name: string;
  /** As written, `$` and all. */
  readonly value: string;
  readonly file: string;
  readonly line?: number;
  /** `name/type` for master.cf's `-o`. */
  readonly service?: string;
  /** Never to be shown or logged. */
  readonly secret?: boolean;
}

/** Names that are likely to hold a password; their values are not shown either. */
const SECRET_NAME = /(?:password|passwd|secret|bind_pw)$/i;

/** Whether a message may not show the value. */
export function isSecret(setting: Setting): boolean {
  return setting.secret === true || SECRET_NAME.test(setting.name);
}

/** Rows by name, for lookups with any string. */
export const ROWS: ReadonlyMap<string, ParameterRow> = new Map<string, ParameterRow>(
  Object.entries(parameters),
);

/** Fallbacks that stand for "none": legacy names and patterns. */
export function hasDefault(row: ParameterRow): boolean {
  return !row.fallback.startsWith("(");
}

/** Not expanded when read, but by their users with macros of their own (postconf(5)). */
export const UNEXPANDED: ReadonlySet<string> = new Set([
  "command_execution_directory",
  "default_rbl_reply",
  "forward_path",
  "luser_relay",
  "mailbox_command",
  "postscreen_expansion_filter",
  "postscreen_reject_footer",
  "smtpd_expansion_filter",
  "smtpd_reject_footer",
]);

/** Set by the program itself; an assignment is ignored with a warning. */
export const READ_ONLY: ReadonlySet<string> = new Set(["process_id", "process_name", "service_name"]);

const TRANSPORT = "<transport>";

/** Rows of `<transport>_...` by what follows the transport's name. */
export const TRANSPORT_ROWS: ReadonlyMap<string, ParameterRow> = new Map<string, ParameterRow>(
  Object.entries(patterns).flatMap(([name, row]) =>
    name.startsWith(TRANSPORT) ? [[name.slice(TRANSPORT.length), row] as const] : []
  ),
);

/** `<transport>` and these make a parameter for every transport of master.cf; the longer before the shorter. */
export const TRANSPORT_SUFFIXES: readonly string[] = [...TRANSPORT_ROWS.keys()].sort((a, b) =>
  b.length - a.length
);

/** The row of a parameter, its own or that of `<transport>_...`. */
export function rowOf(name: string): ParameterRow | undefined {
  const own = ROWS.get(name);
  if (own !== undefined) return own;
  const suffix = TRANSPORT_SUFFIXES.find((each) => name.endsWith(each) && name.length > each.length);
  return suffix === undefined ? undefined : TRANSPORT_ROWS.get(suffix);
}

/** Built-in values that depend on the machine or on other settings (postconf(5)). */
const DYNAMIC: Readonly<Record<string, (scope: Scope) => string>> = {
  myhostname: (scope) => {
    const name = scope.world.hostName();
    return name.includes(".") ? name : `${name}.${scope.explicit("mydomain") ?? "localdomain"}`;
  },
  mydomain: (scope) => {
    const name = scope.expanded("myhostname") ?? "";
    return name.includes(".") ? name.slice(name.indexOf(".") + 1) : "localdomain";
  },
  mynetworks: (scope) => scope.mynetworks(),
  config_directory: (scope) => scope.directory,
  mail_version: () => POSTFIX_VERSION,
  mail_release_date: () => "20240304",
  process_id: (scope) => String(scope.world.processId),
  process_name: (scope) => scope.world.processName,
  service_name: () => "",
};

/** What scopes of one configuration share. */
export interface ScopeContext {
  readonly directory: string;
  readonly world: World;
  /** main.cf with what overrides it. */
  readonly main: ReadonlyMap<string, Setting>;
  /** Serving: a container's own default gateway is not in mynetworks unless somebody says so. */
  readonly serves?: true;
}

/** What each configuration knows already: all its services ask, and mostly of the same networks. */
const HIDDEN = new WeakMap<ScopeContext, Map<string, ReturnType<typeof hiddenGateways>>>();

function hiddenBy(context: ScopeContext, mynetworks: string): ReturnType<typeof hiddenGateways> {
  const known = HIDDEN.get(context) ?? new Map<string, ReturnType<typeof hiddenGateways>>();
  HIDDEN.set(context, known);
  const before = known.get(mynetworks);
  if (before !== undefined) return before;
  const hidden = hiddenGateways(mynetworks, context.world);
  known.set(mynetworks, hidden);
  return hidden;
}

/**
 * Names and their values for one service: its `-o`, then main.cf, then the built-in defaults, each expanded in the light
 * of all three (postconf(5)).
 */
export class Scope {
  readonly #context: ScopeContext;
  readonly #own: ReadonlyMap<string, Setting>;
  /** Defaults under computation, so that `mydomain` and `myhostname` may mention each other. */
  readonly #computing = new Set<string>();
  readonly #defaults = new Map<string, string>();
  #networks: string | undefined;

  constructor(context: ScopeContext, own: ReadonlyMap<string, Setting>) {
    this.#context = context;
    this.#own = own;
  }

  get directory(): string {
    return this.#context.directory;
  }

  get world(): World {
    return this.#context.world;
  }

  /** Where a name is set, if anywhere. */
  setting(name: string): Setting | undefined {
    return this.#own.get(name) ?? this.#context.main.get(name);
  }

  /** The unexpanded value: set or built in. */
  raw(name: string): string | undefined {
    if (name === "mynetworks" && this.#context.serves) return this.#withoutGateways();
    return this.#asWritten(name);
  }

  #asWritten(name: string): string | undefined {
    const set = this.setting(name)?.value;
    if (set === undefined) return this.builtin(name);
    return name === "myorigin" && set.startsWith("/") ? this.#firstLine(set) : set;
  }

  /** The built-in value; undefined when the name is not ours. */
  builtin(name: string): string | undefined {
    const dynamic = Object.hasOwn(DYNAMIC, name) ? DYNAMIC[name] : undefined;
    if (dynamic !== undefined) return this.#computed(name, dynamic);
    const row = rowOf(name);
    return row === undefined || !hasDefault(row) ? undefined : row.fallback;
  }

  #computed(name: string, compute: (scope: Scope) => string): string | undefined {
    const known = this.#defaults.get(name);
    if (known !== undefined) return known;
    if (this.#computing.has(name)) return undefined;
    this.#computing.add(name);
    try {
      const value = compute(this);
      this.#defaults.set(name, value);
      return value;
    } finally {
      this.#computing.delete(name);
    }
  }

  /** The expanded value of a name that is set, not of a default. */
  explicit(name: string): string | undefined {
    const setting = this.setting(name);
    return setting === undefined ? undefined : this.#expand(name, setting.value);
  }

  /** The value as its reader wants it: expanded, unless the parameter is a raw one. */
  expanded(name: string): string | undefined {
    const raw = this.raw(name);
    if (raw === undefined || UNEXPANDED.has(name)) return raw;
    const text = this.#expand(name, raw);
    return name === "myorigin" && text.startsWith("/") ? this.#firstLine(text) : text;
  }

  /** Expands any text with this scope's names. */
  expandText(text: string): string {
    return this.#expand(undefined, text);
  }

  #expand(name: string | undefined, value: string): string {
    const expansion = expand(value, (each) => this.raw(each));
    if (expansion.is === "text") return expansion.text;
    throw new ConfigurationFault([this.complaint(name, value, expansion.why, undefined)]);
  }

  /** The value in its own type, by the parameter's row. */
  value(name: string): string | number | boolean | undefined {
    const text = this.expanded(name);
    const row = rowOf(name);
    if (text === undefined || row === undefined) return text;
    const checked = checkValue(name, text, row, () => this.#unit(row));
    if (checked.is === "good") return checked.value;
    throw new ConfigurationFault([this.complaint(name, text, checked.text, checked.expected)]);
  }

  #unit(row: ParameterRow): string {
    return unitOf(this.expandText(hasDefault(row) ? row.fallback : "s"));
  }

  /** mynetworks without the container's gateways that it does not name (trust_container_gateway). */
  #withoutGateways(): string | undefined {
    return this.#networks ??= this.#networksNow();
  }

  #networksNow(): string | undefined {
    const written = this.#asWritten("mynetworks");
    const hidden = this.hiddenGateways();
    return hidden.length === 0
      ? written
      : `${hidden.map(({ address }) => `!${inBrackets(address)}`).join(", ")}, ${written}`;
  }

  /** The default gateways that mynetworks contains without naming them, where that matters. */
  hiddenGateways(): ReturnType<typeof hiddenGateways> {
    if (this.expanded("trust_container_gateway")?.toLowerCase() === "yes") return [];
    const text = this.#expand("mynetworks", this.#asWritten("mynetworks") ?? "");
    return hiddenBy(this.#context, text);
  }

  /** The default of mynetworks. */
  mynetworks(): string {
    const text = (name: string) => this.expanded(name) ?? "";
    const computed = computeMynetworks({
      inet_interfaces: text("inet_interfaces"),
      inet_protocols: text("inet_protocols"),
      mynetworks_style: text("mynetworks_style"),
    }, this.world);
    if ("text" in computed) return computed.text;
    const { parameter, why, expected } = computed;
    throw new ConfigurationFault([this.complaint(parameter, text(parameter), why, expected)]);
  }

  /** Debian's way to share /etc/mailname. */
  #firstLine(path: string): string {
    const read = this.world.readText(path);
    const expected = "a domain name, or a file whose first line is one";
    const bad = (text: string) => new ConfigurationFault([this.complaint("myorigin", path, text, expected)]);
    if ("error" in read) throw bad(`${path}: cannot open file: ${read.error}`);
    const line = trimAscii(read.text.split("\n", 1)[0]!);
    if (line === "") throw bad(`myorigin file ${path} is empty`);
    return line;
  }

  /** A diagnostic that points to where the value was set. */
  complaint(name: string | undefined, value: string, text: string, expected: string | undefined): Diagnostic {
    const setting = name === undefined ? undefined : this.setting(name);
    const hide = setting !== undefined && isSecret(setting) && value !== "";
    return {
      level: "fatal",
      text: hide ? text.replaceAll(value, "***") : text,
      ...(setting !== undefined && { file: setting.file }),
      ...(setting?.line !== undefined && { line: setting.line }),
      ...(setting?.service !== undefined && { service: setting.service }),
      ...(name !== undefined && { parameter: name }),
      value: hide ? "***" : value,
      ...(expected !== undefined && { expected }),
    };
  }
}

/** The built-in values, for whoever serves on beside a value that cannot be used: those who read that are closed. */
export function standInFor(context: ScopeContext): Scope | undefined {
  return context.serves && new Scope({ ...context, main: new Map() }, new Map());
}

/** An address as match lists take it: without brackets, one of IPv6 would be a table. */
const inBrackets = (address: string) => address.includes(":") ? `[${address}]` : address;
