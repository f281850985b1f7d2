import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import { systemClock } from "../../base/clock.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { FileIdentity } from "../../platform/file/random_access_file.ts";
import {
  openSqlite,
  SqliteFault,
  type SqliteFile,
  type SqliteQuery,
} from "../../platform/database/sqlite.ts";
import { type OpenType, resolvePath, type TableContext } from "../context.ts";
import { lookAt, RECHECK } from "../text/file_backed.ts";
import { withQueryFile } from "../query_file/query_file.ts";
import type { Parts } from "../query_file/query_template.ts";
import { remoteTable } from "../remote/remote_table.ts";
import type { BoundQuery } from "./sql_query.ts";
import { whenAdmitted } from "../query_file/query_domain.ts";
import { MOST_ROWS, sqlAnswer } from "./sql_answer.ts";
import { isAskable, readSqlTemplate, statementText, valuesFor } from "./sql_template.ts";
import { ABSENT } from "../table.ts";

const ATTRIBUTES = TABLE_PARAMETERS.sqlite!;

const LOOKUP_TIME = 10_000;
/** A locked database is tried again after so many milliseconds, then it is trouble. */
const TIME_LIMIT = [5, 10, 20, 50, 100, 200, 500, 1000];

/** `sqlite:/etc/postfix/file.cf`: an SQLite database file, read in this process (sqlite_table(5)). */
export const openSqliteTable: OpenType = (name, spec, context, open) =>
  withQueryFile(name, spec, { context, attributes: ATTRIBUTES }, (file) => {
    const dbpath = file.text("dbpath") ?? file.refuse("dbpath", "dbpath is not set; name the database file");
    const template = readSqlTemplate(file, { spec, dialect: "sqlite", tables: { context, open } });
    if (!template.bound.isPlainSelect) file.refuse("query", "expected one SELECT statement");
    const source = new SqliteSource(resolvePath(dbpath, context), template.bound, context);
    source.warnIfUnusable(spec);
    const close = () => {
      template.domain.close();
      source.close();
    };
    const pattern = template.rules.needs.isPartial || template.domain.restricts;
    return remoteTable(spec, context, { deadline: LOOKUP_TIME, pattern, close }, (key, signal) => {
      const parts = isAskable(key, context) ? template.rules.needs.ofKey(key) : undefined;
      if (parts === undefined) return ABSENT;
      return whenAdmitted(template.domain, key, () => {
        const rows = source.query(source.values(parts), signal);
        const answer = (values: readonly (Uint8Array | null)[]) =>
          sqlAnswer(values.map((value) => [value]), { rules: template.rules, key: parts, context });
        return isPromise(rows) ? rows.then(answer) : answer(rows);
      }, ABSENT);
    });
  });

const isBusy = (error: unknown) => error instanceof SqliteFault && error.is === "busy";

interface Opened {
  readonly file: SqliteFile;
  readonly query: SqliteQuery;
  readonly identity: FileIdentity | undefined;
}

/** The database file and the query on it; a file that was replaced is opened anew, looked at no more than once a second. */
class SqliteSource {
  readonly #path: string;
  readonly #bound: BoundQuery;
  readonly #context: TableContext;
  #opened?: Opened;
  /** Why the file cannot be used; nor is it tried again before a second has passed. */
  #fault?: SqliteFault;
  #checked = -Infinity;

  constructor(path: string, bound: BoundQuery, context: TableContext) {
    this.#path = path;
    this.#bound = bound;
    this.#context = context;
  }

  /** The operator hears at the start what every lookup would say. */
  warnIfUnusable(spec: string): void {
    try {
      this.#ready();
    } catch (error) {
      if (!(error instanceof SqliteFault)) throw error;
      if (error.is !== "busy" && this.#context.asPostmap !== true) {
        this.#context.warn(`${spec}: ${error.message}`);
      }
    }
  }

  /** What is written without quotes is a number where it looks like one. */
  values(key: Parts): (string | number)[] {
    return valuesFor(this.#bound, key, this.#context).map((value, hole) =>
      this.#bound.holes[hole]!.bare === true && /^\d{1,15}$/.test(value) ? Number(value) : value
    );
  }

  /** The first column of the rows (sqlite_table(5)); at once unless the database is locked. */
  query(
    values: readonly (string | number)[],
    signal: AbortSignal,
  ): MaybeAsync<readonly (Uint8Array | null)[]> {
    try {
      return this.#once(values);
    } catch (error) {
      if (isBusy(error)) return this.#patiently(values, signal);
      throw error;
    }
  }

  #once(values: readonly (string | number)[]): readonly (Uint8Array | null)[] {
    try {
      return this.#ready().query.firstColumn(values);
    } catch (error) {
      if (error instanceof SqliteFault && error.is === "broken") this.#giveUp(error);
      throw error;
    }
  }

  close(): void {
    this.#opened?.file.close();
    this.#opened = undefined;
  }

  async #patiently(
    values: readonly (string | number)[],
    signal: AbortSignal,
  ): Promise<readonly (Uint8Array | null)[]> {
    let busy: unknown;
    for (const wait of TIME_LIMIT) {
      await new Promise<void>((resolve) => systemClock.after(wait, resolve));
      signal.throwIfAborted();
      try {
        return this.#once(values);
      } catch (error) {
        if (!isBusy(error)) throw error;
        busy = error;
      }
    }
    throw busy;
  }

  #ready(): Opened {
    const now = this.#context.clock();
    if (now - this.#checked < RECHECK && now >= this.#checked) {
      if (this.#opened !== undefined) return this.#opened;
      if (this.#fault !== undefined) throw this.#fault;
    }
    this.#checked = now;
    this.#fault = undefined;
    const identity = lookAt(this.#path);
    const before = this.#opened?.identity;
    if (before !== undefined && before.inode === identity?.inode && before.device === identity.device) {
      return this.#opened!;
    }
    this.close();
    try {
      return this.#opened = this.#open(identity);
    } catch (error) {
      if (error instanceof SqliteFault && error.is !== "busy") this.#fault = error;
      throw error;
    }
  }

  #open(identity: FileIdentity | undefined): Opened {
    let file: SqliteFile;
    try {
      file = openSqlite(this.#path);
    } catch (error) {
      if (!(error instanceof SqliteFault)) throw error;
      throw new SqliteFault(error.is, `open database ${this.#path}: ${error.message}`, { cause: error });
    }
    try {
      return { file, query: file.prepare(this.#statement(file)), identity };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #giveUp(fault: SqliteFault): void {
    this.close();
    this.#fault = fault;
  }

  /** In brackets, whatever type the first column has comes as text, and too many rows are cut off. */
  #statement(file: SqliteFile): string {
    const text = statementText(this.#bound, (hole) => `?${hole + 1}`);
    const names = file.columns(text).map((_, at) => `c${at}`);
    return `WITH mta(${names.join(",")}) AS (${text}\n) SELECT CAST(c0 AS TEXT) FROM mta LIMIT ${
      MOST_ROWS + 1
    }`;
  }
}
