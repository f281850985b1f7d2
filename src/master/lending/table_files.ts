import { splitList } from "../../config/syntax/list.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { readPlain } from "../../platform/file/random_access_file.ts";
import { leafSpecs } from "../../table/leaf_specs.ts";
import { tableType } from "../../table/table_types.ts";
import { readSource } from "../../table/text/source_records.ts";
import type { TlsPaths } from "../../tls/tls_paths.ts";

/** A larger source is not looked into for names of files. */
const LARGEST_SOURCE = 1 << 20;
/** Files with keys that tables name, at most. */
const MOST_FILES = 1000;

/** A parameter whose tables name files with keys, and how they do. */
interface NamingTables {
  readonly parameter: string;
  readonly pathsIn: (text: string) => readonly string[];
}

const SNI: NamingTables = { parameter: "tls_server_sni_maps", pathsIn };
const DKIM: NamingTables = { parameter: "dkim_signing_keys", pathsIn: keyPathsIn };

/** What a source names for a name. */
export interface SniEntry {
  readonly name: string;
  readonly paths: readonly string[];
}

/** Whether what a file of a table says is root's word: who can write there is no reader of what it names. */
type IsRoots = (source: string) => boolean;

/** What TLS reads, and keys that tables name. */
export interface KeyPaths extends TlsPaths {
  /** Named by a table, and by nothing else: what is lent of them is to be PEM. */
  readonly named: ReadonlySet<string>;
}

/**
 * The paths of TLS, and those that the tables of tls_server_sni_maps and dkim_signing_keys name, in main.cf or in their sources
 * (postmap(1), -F), with the sources.
 */
export function withTableFiles(
  { files, folders }: TlsPaths,
  configuration: Configuration,
  isRoots: IsRoots,
): KeyPaths {
  const parameters = [SNI, DKIM];
  const sources = parameters.flatMap(({ parameter }) =>
    tableSources(configuration, configuration.services, parameter)
  );
  const known = new Set([...files, ...sources]);
  const named = parameters.flatMap((tables) => namedFiles(configuration, tables, isRoots))
    .filter((path) => !known.has(path));
  return { files: known, folders, named: new Set(named) };
}

function namedFiles(
  configuration: Configuration,
  { parameter, pathsIn }: NamingTables,
  isRoots: IsRoots,
): readonly string[] {
  const { services } = configuration;
  const sources = tableSources(configuration, services, parameter).filter(isRoots);
  const named = sources.flatMap((source) => entriesOf(source, pathsIn)).flatMap(({ paths }) => paths);
  const specs = specsOf(services, parameter);
  const patterns = specs.filter((spec) => PATTERNS.test(spec)).flatMap((spec) =>
    pathsIn(patternText(spec, configuration, isRoots))
  );
  const written = specs.filter((spec) => WORDS.test(spec)).flatMap(pathsIn);
  return [...new Set([...named, ...patterns, ...written])].slice(0, MOST_FILES);
}

/** Tables whose results stand in main.cf, and those of patterns, there or in a file. */
const WORDS = /^(?:inline|static|randmap):/;
const PATTERNS = /^(?:cidr|pcre|regexp):/;

/** The text of a table of patterns; "" when there is none. */
function patternText(
  spec: string,
  { directory }: Pick<Configuration, "directory">,
  isRoots: IsRoots,
): string {
  const name = spec.slice(spec.indexOf(":") + 1);
  if (name.startsWith("{")) return name;
  const path = name.startsWith("/") ? name : `${directory}/${name}`;
  try {
    return isRoots(path) ? readPlain(path, LARGEST_SOURCE).toString("latin1") : "";
  } catch {
    return "";
  }
}

function specsOf(services: readonly Pick<Service, "parameter">[], parameter: string): readonly string[] {
  const specs = services.flatMap((each) => splitList(each.parameter(parameter) ?? ""));
  return [...new Set(specs.flatMap(leafSpecs))];
}

/** The sources of the tables that some services have their certificates by name from. */
export function sniSources(
  configuration: Pick<Configuration, "directory">,
  services: readonly Pick<Service, "parameter">[],
): readonly string[] {
  return tableSources(configuration, services, SNI.parameter);
}

function tableSources(
  { directory }: Pick<Configuration, "directory">,
  services: readonly Pick<Service, "parameter">[],
  parameter: string,
): readonly string[] {
  const found = specsOf(services, parameter).flatMap((spec) => {
    const [, type = "", name = ""] = /^([a-z]+):(.+)$/.exec(spec) ?? [];
    const row = tableType(type);
    if (row?.local !== true || row.keyed !== true || !/^\.{0,2}\//.test(name)) return [];
    return [name.startsWith("/") ? name : `${directory}/${name}`];
  });
  return [...new Set(found)];
}

/** The entries of a source that name files; content is none. */
export function sniEntries(source: string): readonly SniEntry[] {
  return entriesOf(source, pathsIn);
}

function entriesOf(source: string, pathsIn: NamingTables["pathsIn"]): readonly SniEntry[] {
  try {
    const bytes = readPlain(source, LARGEST_SOURCE);
    const quiet = { warn: () => {}, duplicate: () => {} };
    const records = readSource(bytes, source, { format: "map", fold: true, encoding: "utf8", ...quiet });
    return [...records].map(([name, { value }]) => ({ name, paths: pathsIn(value) }))
      .filter(({ paths }) => paths.length > 0).slice(0, MOST_FILES);
  } catch {
    return []; // who opens the table says what is wrong with it
  }
}

/** What could be the name of a file; what is none will not be found. */
function pathsIn(text: string): readonly string[] {
  return text.split(/[\s,{}]+|^static:|(?<=[\w.])=/).filter((path) => path.startsWith("/"));
}

/** `selector:/path`, `selector:file:/path`. */
function keyPathsIn(text: string): readonly string[] {
  return [...text.matchAll(/:(\/[^\s,{}]+)/g)].map(([, path]) => path!);
}
