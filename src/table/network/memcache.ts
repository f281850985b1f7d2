import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { OpenType, TableContext } from "../context.ts";
import { parseEndpoint, serverDirectory } from "../remote/server_endpoint.ts";
import { foldingOf } from "../text/fold.ts";
import { MemcacheClient } from "./memcache_client.ts";
import { type DomainFilter, openDomainFilter, whenAdmitted } from "../query_file/query_domain.ts";
import { type QueryFile, withQueryFile } from "../query_file/query_file.ts";
import { expandTemplate, type Piece, readTemplate, TemplateNeeds } from "../query_file/query_template.ts";
import { remoteTable } from "../remote/remote_table.ts";
import { toWire, valueFromWire } from "../remote/remote_text.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { unproven } from "../unavailable.ts";

/** A lookup that has to go on to the backup may take this much longer: milliseconds. */
const BACKUP_TIME = 100_000;

/** `memcache:/etc/postfix/file.cf`: a memcache server, and the table that it is the cache of (memcache_table(5)). */
export const openMemcache: OpenType = (name, spec, context, open) => {
  if (context.paranoid === true) return unproven(spec, context);
  return withQueryFile(name, spec, { context, attributes: TABLE_PARAMETERS.memcache! }, (file) => {
    const backup = file.text("backup");
    const cache = new Cache(spec, context, {
      client: clientOf(spec, file, context),
      format: readTemplate(file, "key_format", file.text("key_format") ?? "%s", "query"),
      domain: openDomainFilter(file, { context, open }),
      dataLimit: file.integer("data_size_limit", 10_240, 1),
      backup: backup === undefined ? undefined : open(backup, context),
    });
    return cache.table();
  });
};

function clientOf(spec: string, file: QueryFile, context: TableContext): MemcacheClient {
  const server = file.text("memcache") ?? "inet:localhost:11211";
  const endpoint = parseEndpoint(server, serverDirectory(context));
  if (endpoint.is === "bad") return file.refuse("memcache", endpoint.why);
  return new MemcacheClient(spec, {
    to: endpoint.to,
    called: server.slice(server.indexOf(":") + 1),
    flags: file.integer("flags", 0),
    ttl: file.integer("ttl", 3600),
    timeout: file.integer("timeout", 2) * 1000,
    maxTry: file.integer("max_try", 2, 1),
    retryPause: file.integer("retry_pause", 1, 1) * 1000,
    limits: {
      line: file.integer("line_size_limit", 1024, 1),
      data: file.integer("data_size_limit", 10_240, 1),
    },
  }, context);
}

interface CacheParts {
  readonly client: MemcacheClient;
  readonly format: readonly Piece[];
  readonly domain: DomainFilter;
  readonly dataLimit: number;
  readonly backup: Table | undefined;
}

/** A memcache server before a table that has the data for good. */
class Cache {
  readonly #spec: string;
  readonly #context: TableContext;
  readonly #parts: CacheParts;
  readonly #needs: TemplateNeeds;
  readonly #fold: (key: string) => string;

  constructor(spec: string, context: TableContext, parts: CacheParts) {
    this.#spec = spec;
    this.#context = context;
    this.#parts = parts;
    this.#needs = new TemplateNeeds(parts.format);
    this.#fold = foldingOf(context);
  }

  table(): Table {
    const { client, backup, domain } = this.#parts;
    const deadline = client.longest + (backup === undefined ? 1000 : client.longest + BACKUP_TIME);
    const { spec, pattern, lookup, close } = remoteTable(
      this.#spec,
      this.#context,
      {
        deadline,
        pattern: this.#needs.isPartial || domain.restricts,
        asWritten: true,
        close: () => this.#close(),
      },
      (key, signal) => this.#admitted(key, (wire) => this.#lookup(key, wire, signal), ABSENT),
    );
    return {
      spec,
      pattern,
      lookup,
      close,
      ...(backup !== undefined && { backup: backup.spec }),
      remove: async (key) => await this.#admitted(key, (wire) => client.remove(wire), false),
    };
  }

  #close(): void {
    const { client, domain, backup } = this.#parts;
    client.close();
    domain.close();
    backup?.close();
  }

  /** Goes on with what the server knows a key as; keys that it cannot have, or that are of other domains, are `otherwise`. */
  #admitted<Result>(
    key: string,
    next: (wire: Buffer) => MaybeAsync<Result>,
    otherwise: Result,
  ): MaybeAsync<Result> {
    const folded = this.#fold(key);
    const parts = this.#needs.ofKey(folded);
    if (parts === undefined) return otherwise;
    const wire = toWire(expandTemplate(this.#parts.format, { key: parts }), this.#context);
    if (wire.length === 0 || wire.some(isBlankOrControl)) return otherwise;
    return whenAdmitted(this.#parts.domain, folded, () => next(wire), otherwise);
  }

  async #lookup(key: string, wire: Buffer, signal: AbortSignal): Promise<Answer> {
    const { client, backup } = this.#parts;
    if (backup === undefined) return this.#answer(key, await client.get(wire, signal));
    const cached = await client.get(wire, signal).catch(() => undefined);
    if (cached !== undefined) return this.#answer(key, cached);
    const kept = await backup.lookup(key);
    if (kept.is === "found") await this.#remember(wire, kept.value, signal);
    return kept;
  }

  #answer(key: string, value: Buffer | undefined): Answer {
    return value === undefined ? ABSENT : valueFromWire(this.#spec, key, value, this.#context);
  }

  /** What the cache cannot take is found in the backup the next time too. */
  async #remember(wire: Buffer, value: string, signal: AbortSignal): Promise<void> {
    const { client, dataLimit } = this.#parts;
    const bytes = toWire(value, this.#context);
    if (bytes.length <= dataLimit) await client.set(wire, bytes, signal).catch(() => {});
  }
}

/** A blank or control character would end the key and start another command. */
const isBlankOrControl = (byte: number) => byte <= 0x20 || byte === 0x7f;
