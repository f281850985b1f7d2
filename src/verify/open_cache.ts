import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { INDEX_FORMATS } from "../table/index/index_formats.ts";
import { CacheFault, type VerifyCache } from "./verify_cache.ts";
import { type Entry, parseEntry } from "./entry.ts";
import { FileCache } from "./file_cache.ts";
import { endOf, isExpired, type LifetimeSettings, readLifetimes } from "./lifetimes.ts";
import { MemoryCache } from "./memory_cache.ts";

/** The parameters that say where the cache is and how large it gets. */
export const CACHE_PARAMETERS = [
  "address_verify_map",
  "address_verify_cache_limit",
  "data_directory",
] as const satisfies readonly ParameterName[];

/** The parameters that say where the cache is and how large it gets. */
export type CacheSettings =
  & LifetimeSettings
  & SettingsOf<typeof CACHE_PARAMETERS>;

/** Where the cache is: our file stands beside the one that Postfix would use, whose entries it begins with. */
export type CachePlace =
  | { readonly is: "memory" }
  | {
    readonly is: "file";
    readonly path: string;
    /** Postfix's table, when we can read its type. */
    readonly table?: { readonly type: string; readonly path: string };
    /** Why the file is elsewhere than address_verify_map says. */
    readonly remark?: string;
  };

/** Reads address_verify_map: `btree:/path/name`, perhaps behind `proxy:`; empty means memory only. */
export function cachePlace(
  settings: Pick<CacheSettings, "address_verify_map" | "data_directory">,
): CachePlace {
  const spec = settings.address_verify_map.trim().replace(/^proxy:/, "");
  if (spec === "" || spec.startsWith("internal:")) return { is: "memory" };
  const colon = spec.indexOf(":");
  const [type, name] = [spec.slice(0, colon), spec.slice(colon + 1)];
  const format = INDEX_FORMATS[type];
  if (colon < 0 || format === undefined || format.constant) {
    const path = `${settings.data_directory}/verify_cache.sqlite`;
    const remark = `address_verify_map = ${spec}: such a table cannot be written here; ` +
      `what probes find out is kept in ${path}`;
    return { is: "file", path, remark };
  }
  const path = name.startsWith("/") ? name : `${settings.data_directory}/${name}`;
  return { is: "file", path: `${path}.sqlite`, table: { type, path: path + format.suffix } };
}

/** Opens the cache. A file that cannot be used costs new probes after each start, no mail: memory stands in, with a warning. */
export function openVerifyCache(
  settings: CacheSettings,
  now: () => number,
  warn: (text: string) => void,
): VerifyCache {
  const place = cachePlace(settings);
  const most = settings.address_verify_cache_limit;
  if (place.is === "memory") return new MemoryCache(most);
  if (place.remark !== undefined) warn(place.remark);
  try {
    return new FileCache({
      name: settings.address_verify_map,
      path: place.path,
      most,
      warn,
      first: () => entriesOf(place.table, settings, now(), warn),
    });
  } catch (error) {
    if (!(error instanceof CacheFault)) throw error;
    warn(`address_verify_map: ${error.message}: what probes find out is kept in memory only`);
    return new MemoryCache(most);
  }
}

/** What a Postfix that was here before knew, as far as it still holds. */
function* entriesOf(
  table: { readonly type: string; readonly path: string } | undefined,
  settings: CacheSettings,
  now: number,
  warn: (text: string) => void,
): Generator<readonly [address: string, entry: Entry, end: number]> {
  if (table === undefined) return;
  const lifetimes = readLifetimes(settings);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/\0.*$/s, "");
  try {
    const file = INDEX_FORMATS[table.type]!.open(table.path);
    let left = settings.address_verify_cache_limit;
    for (const { key, value } of file.records()) {
      const entry = parseEntry(text(value));
      if (entry === undefined || entry.status === "todo" || isExpired(entry, lifetimes, now)) continue;
      if (left-- <= 0) break;
      const known = { ...entry, probed: 0 };
      yield [text(key), known, endOf(known, lifetimes)];
    }
    file.close();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") warn(`address_verify_map: cannot take over ${table.path}: ${message}`);
  }
}
