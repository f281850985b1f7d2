import { splitList } from "../../config/syntax/list.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { readPlain } from "../../platform/file/random_access_file.ts";
import { tableType } from "../../table/table_types.ts";
import { readSource } from "../../table/text/source_records.ts";
import type { TlsPaths } from "../../tls/tls_paths.ts";

/** A larger source is not looked into for names of files. */
const LARGEST_SOURCE = 1 << 20;
/** Files with keys that tables name, at most. */
const MOST_FILES = 1000;

/** What a source names for a name. */
export interface SniEntry {
  readonly name: string;
  readonly paths: readonly string[];
}

/** The paths of TLS, and those that the tables of tls_server_sni_maps name in their sources (postmap(1), -F), with the sources. */
export function withSniFiles({ files, folders }: TlsPaths, configuration: Configuration): TlsPaths {
  const sources = sniSources(configuration, configuration.services);
  const named = sources.flatMap(sniEntries).flatMap(({ paths }) => paths).slice(0, MOST_FILES);
  return { files: new Set([...files, ...sources, ...named]), folders };
}

/** The sources of the tables that some services have their certificates by name from. */
export function sniSources(
  { directory }: Pick<Configuration, "directory">,
  services: readonly Pick<Service, "parameter">[],
): readonly string[] {
  const specs = services.flatMap((each) => splitList(each.parameter("tls_server_sni_maps") ?? ""));
  const found = specs.flatMap((spec) => {
    const [, type = "", name = ""] = /^(?:proxy:)?([a-z]+):(.+)$/.exec(spec) ?? [];
    const row = tableType(type);
    if (row?.local !== true || row.keyed !== true || !/^\.{0,2}\//.test(name)) return [];
    return [name.startsWith("/") ? name : `${directory}/${name}`];
  });
  return [...new Set(found)];
}

/** The entries of a source that name files; content is none. */
export function sniEntries(source: string): readonly SniEntry[] {
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

const pathsIn = (value: string) => value.split(/[\s,]+/).filter((path) => path.startsWith("/"));
