import { isHostname } from "../../address/hostname.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { TlsContext } from "../../platform/socket/tls_context.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { Chains } from "../../tls/own/chain.ts";
import { loadSniChains } from "../../tls/own/chain_files.ts";
import { shownSpec } from "../../table/shown_spec.ts";
import type { Answer, Table } from "../../table/table.ts";

/** Contexts of so many chains are kept ready. */
const MOST_READY = 1000;
/** Chains with their keys are longer in base64. */
const LONGEST_PATH = 300;

/** The certificate for a name cannot be had: the client, who asked for it, gets no other. */
export class SniFault extends Error {
  override readonly name = "SniFault";
}

/** What certificates for names are made with. */
export interface SniDeps {
  readonly tables: readonly SniTable[];
  /** The text of a file with a key and certificates. Throws the system's error. */
  readonly read: (path: string) => string;
  readonly contextOf: (chains: Chains) => TlsContext;
  readonly log: (level: "info" | "warning", text: string) => void;
}

/** A table of tls_server_sni_maps. */
export interface SniTable {
  readonly table: Table;
  /** Its values may be names of files, not only their content in base64 (postmap -F). */
  readonly namesFiles: boolean;
}

/** Chains for the names that clients ask for (tls_server_sni_maps). */
export class SniContexts {
  readonly #deps: SniDeps;
  readonly #ready = new Map<string, TlsContext>();

  constructor(deps: SniDeps) {
    this.#deps = deps;
  }

  /** The context for a name; undefined for the service's own. Throws SniFault. */
  contextFor(name: string, client: string): MaybeAsync<TlsContext | undefined> {
    const { log } = this.#deps;
    if (!isHostname(name)) {
      log("warning", `TLS SNI from ${client} is invalid: ${name}`);
      return undefined;
    }
    return then(this.#find(keysOf(name.toLowerCase()), 0, 0), (found) => {
      if (found === undefined) {
        log("info", `TLS SNI ${name} from ${client} not matched, using default chain`);
        return undefined;
      }
      return this.#contextOf(name, found);
    });
  }

  /** Forgets what was made of authorities that are others now. */
  forget(): void {
    this.#ready.clear();
  }

  /** Each key is asked of all tables before the next, wider one. */
  #find(keys: readonly string[], key: number, at: number): MaybeAsync<string | undefined> {
    const [asked, sni] = [keys[key], this.#deps.tables[at]];
    if (asked === undefined) return undefined;
    if (sni === undefined) return this.#find(keys, key + 1, 0);
    return then(sni.table.lookup(asked), (answer: Answer) => {
      if (answer.is === "absent") return this.#find(keys, key, at + 1);
      if (answer.is === "found") return this.#chainText(sni, asked, answer.value);
      throw this.#fault(
        `${shownSpec(sni.table.spec)} lookup error for "${asked}": ${answer.why}`,
        `tls_server_sni_maps: ${keys[0]} map lookup problem`,
      );
    });
  }

  /** The chain behind a value. */
  #chainText({ table, namesFiles }: SniTable, key: string, value: string): string {
    const decoded = Buffer.from(value, "base64").toString("latin1");
    if (decoded.includes("-----BEGIN ")) return decoded;
    const paths = value.split(/[\s,]+/).filter((path) => path !== "");
    // What looks like no path may be a key that was damaged on its way here.
    if (!namesFiles || !paths.every(isPath)) {
      throw this.#fault(`${table.spec}: ${key}: malformed BASE64 value`);
    }
    try {
      return paths.map(this.#deps.read).join("\n");
    } catch (error) {
      throw this.#fault(`${table.spec}: ${key}: ${value}: ${systemErrorText(error)}`);
    }
  }

  #contextOf(name: string, text: string): TlsContext {
    const known = this.#ready.get(text);
    if (known !== undefined) return known;
    const loaded = loadSniChains(name, text);
    if (loaded.is === "fault") throw this.#fault(...loaded.fault.words);
    if (loaded.is === "none" || loaded.chains.size === 0) throw this.#fault(`SNI data for ${name}: no chain`);
    const made = this.#made(name, loaded.chains);
    for (const oldest of this.#ready.keys()) {
      if (this.#ready.size < MOST_READY) break;
      this.#ready.delete(oldest);
    }
    this.#ready.set(text, made);
    return made;
  }

  #made(name: string, chains: Chains): TlsContext {
    try {
      return this.#deps.contextOf(chains);
    } catch (error) {
      throw this.#fault(`SNI data for ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #fault(...words: readonly string[]): SniFault {
    for (const text of words) this.#deps.log("warning", text);
    return new SniFault(words.join("; "));
  }
}

/** The name, then what stands for all below each of its domains: `.example.com`, `.com`. */
function keysOf(name: string): readonly string[] {
  const keys = [name];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) keys.push(name.slice(dot));
  return keys;
}

/** The name of a file, from / on. */
function isPath(text: string): boolean {
  return text.startsWith("/") && text.length <= LONGEST_PATH;
}
