import type { Diagnostic } from "../syntax/diagnostic.ts";
import { MENTIONED_BY_DEFAULTS } from "./check_values.ts";
import { references } from "../syntax/expand.ts";
import { splitList, splitListRaw } from "../syntax/list.ts";
import { nearest } from "../../base/nearest.ts";
import { TABLE_PARAMETERS } from "../parameters/table_parameters.ts";
import type { MasterCf, MasterEntry } from "../syntax/master_cf.ts";
import { RESTRICTION_LISTS, RESTRICTION_NAMES } from "../parameters/restriction_names.ts";
import { isSecret, ROWS, type Scope, type Setting, TRANSPORT_SUFFIXES, UNEXPANDED } from "../scope.ts";

const BUILT_IN: ReadonlySet<string> = new Set(ROWS.keys());
const TRANSPORT_PROGRAMS: ReadonlySet<string> = new Set([
  "local",
  "virtual",
  "smtp",
  "lmtp",
  "error",
  "pipe",
]);
const TIMED_PROGRAMS: ReadonlySet<string> = new Set(["pipe", "spawn"]);
const CLIENT_TABLES: ReadonlySet<string> = new Set(["ldap", "mysql", "pgsql", "sqlite", "memcache"]);

/** The `<transport>_...` parameters of the services in master.cf. */
function transportParameters(entries: readonly MasterEntry[]): Set<string> {
  const names = new Set<string>();
  for (const { name, program } of entries) {
    for (const suffix of TRANSPORT_SUFFIXES) {
      const programs = suffix === "_time_limit" ? TIMED_PROGRAMS : TRANSPORT_PROGRAMS;
      if (programs.has(program)) names.add(`${name}${suffix}`);
    }
  }
  return names;
}

/** Prefixes `name_` of tables whose settings stand in main.cf, `mysql:name` without a slash (mysql_table(5)), with their types. */
function tablePrefixes(value: string): [prefix: string, type: string][] {
  return splitListRaw(value.replace(/[{}]/g, " ")).flatMap((item) => {
    const [type, name] = item.replace(/^(?:proxy:)+/, "").split(":", 2);
    const inMainCf = name !== undefined && CLIENT_TABLES.has(type!) && !/^[/.]/.test(name);
    return inMainCf ? [[`${name}_`, type!]] : [];
  });
}

/** Names that somebody uses: `$name`, restriction classes, table prefixes. */
export interface UsedNames {
  readonly names: ReadonlySet<string>;
  /** Prefixes of tables' attributes, with the tables' types. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** Names mentioned without any definition, by the setting that mentions them. */
  readonly mentions: readonly { readonly name: string; readonly by: Setting }[];
}

/** Collects what the values mention (postconf(1), unused parameters). */
function usedNames(scope: Scope, settings: readonly Setting[]): UsedNames {
  const names = new Set<string>(MENTIONED_BY_DEFAULTS);
  const prefixes = new Map<string, string>();
  const mentions: { name: string; by: Setting }[] = [];
  for (const setting of settings) {
    if (UNEXPANDED.has(setting.name)) continue;
    for (const name of references(setting.value).names) {
      names.add(name);
      mentions.push({ name, by: setting });
    }
    for (const [prefix, type] of tablePrefixes(safely(scope, setting.value))) prefixes.set(prefix, type);
  }
  for (const name of splitList(safely(scope, "$smtpd_restriction_classes"))) names.add(name);
  return { names, prefixes, mentions };
}

/** Expands, or gives the text back: a broken value is reported elsewhere. */
function safely(scope: Scope, text: string): string {
  try {
    return scope.expandText(text);
  } catch {
    return text;
  }
}

/** Settings whose name nobody knows or uses, with the name that was probably meant. */
export function checkNames(scope: Scope, settings: readonly Setting[], master: MasterCf): Diagnostic[] {
  const used = usedNames(scope, settings);
  const transports = transportParameters(master.entries);
  const isKnown = (name: string) =>
    BUILT_IN.has(name) || used.names.has(name) || transports.has(name) ||
    (attributeOf(name, used.prefixes) !== undefined && meantAttribute(name, used.prefixes) === undefined);
  const unused = settings.filter(({ name }) => !isKnown(name)).flatMap((setting) => {
    if (isSomebodyElses(setting, transports)) return [];
    return unusedName(
      setting,
      meantAttribute(setting.name, used.prefixes) ?? unusedHint(setting.name, transports),
    );
  });
  const defined = new Set(settings.map(({ name }) => name));
  const undefinedNames = used.mentions
    .filter(({ name }) => name !== "" && !defined.has(name) && !isDefinedAnyway(name, transports))
    .map(({ name, by }) => undefinedName(name, by, defined));
  return [...unused, ...undefinedNames];
}

/** A variable such as MTA_BIN belongs to another program, unless its name is nearly one of ours. */
function isSomebodyElses({ name, file }: Setting, transports: ReadonlySet<string>): boolean {
  return file.startsWith("environment ") && nearest(name, [...BUILT_IN, ...transports]) === undefined;
}

/** The attribute that a name sets for a table, as it is written. */
function attributeOf(name: string, prefixes: ReadonlyMap<string, string>) {
  const found = [...prefixes].find(([prefix]) => name.startsWith(prefix));
  return found && { prefix: found[0], attribute: name.slice(found[0].length), type: found[1] };
}

/** What a table's attribute was meant to be, where it is none of its type but nearly one. */
function meantAttribute(name: string, prefixes: ReadonlyMap<string, string>): string | undefined {
  const written = attributeOf(name, prefixes);
  const attributes = TABLE_PARAMETERS[written?.type ?? ""] ?? [];
  if (written === undefined || attributes.includes(written.attribute)) return undefined;
  const meant = nearest(written.attribute, attributes);
  return meant === undefined ? undefined : `did you mean ${written.prefix}${meant}?`;
}

const isDefinedAnyway = (name: string, transports: ReadonlySet<string>) =>
  BUILT_IN.has(name) || transports.has(name);

function place({ file, line, service }: Setting) {
  return { file, ...(line !== undefined && { line }), ...(service !== undefined && { service }) };
}

function unusedName(setting: Setting, hint: string | undefined): Diagnostic {
  const value = isSecret(setting) || setting.file.startsWith("environment") ? "***" : setting.value;
  return {
    level: "warning",
    text: `${setting.file}: unused parameter: ${setting.name}=${value}`,
    ...place(setting),
    parameter: setting.name,
    value,
    ...(hint !== undefined && { hint }),
    ...(hint?.startsWith("did you mean") !== true && { feature: "parameters that nothing reads" }),
  };
}

function unusedHint(name: string, transports: ReadonlySet<string>): string | undefined {
  if (RESTRICTION_NAMES.has(name)) {
    return `${name} is a restriction, not a parameter: write it into one of ${RESTRICTION_LISTS.join(", ")}`;
  }
  const suffix = TRANSPORT_SUFFIXES.find((each) => name.endsWith(each));
  const meant = nearest(name, [...BUILT_IN, ...transports]);
  if (meant !== undefined) return `did you mean ${meant}?`;
  if (suffix !== undefined) return `no service "${name.slice(0, -suffix.length)}" in master.cf takes it`;
  const restriction = nearest(name, RESTRICTION_NAMES);
  return restriction === undefined ? undefined : `did you mean the restriction ${restriction}?`;
}

function undefinedName(name: string, by: Setting, defined: ReadonlySet<string>): Diagnostic {
  const meant = nearest(name, [...BUILT_IN, ...defined]);
  return {
    level: "warning",
    text: `${by.file}: undefined parameter: ${name}`,
    ...place(by),
    parameter: by.name,
    value: isSecret(by) ? "***" : by.value,
    hint: meant === undefined ? "it stands for nothing" : `did you mean $${meant}?`,
  };
}
