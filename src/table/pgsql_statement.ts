import { type SqlConnection, SqlFault } from "../platform/sql_client.ts";
import { recordFields } from "./pgsql_record.ts";
import { MOST_ROWS, type Rows } from "./sql_answer.ts";
import type { BoundQuery } from "./sql_query.ts";
import { statementText } from "./sql_template.ts";

const EMPTY = new Uint8Array(0);
/** "could not determine data type of parameter" */
const INDETERMINATE = "42P18";
/** A prepared statement that is not there, or is there already: a pooler has changed the connection behind it. */
const NOT_OURS = ["26000", "42P05"];
/** No column is called so. */
const ROW = '"row of mta"';

/**
 * The query of a table as a PostgreSQL server takes it. A parameter without a type is what a string constant is: it takes the
 * type of what it is compared with. Where nothing tells the type (`concat('%s', 'x')`), a constant is text; a parameter has to
 * be told.
 */
export class PgsqlStatement {
  readonly #bound: BoundQuery;
  readonly #told = new Set<number>();
  #text: string;
  #pooled = false;

  constructor(bound: BoundQuery) {
    this.#bound = bound;
    this.#text = this.#write();
  }

  /** Rows that come as records are text, whatever is in them; others would come in binary form from a prepared statement. */
  get prepares(): boolean {
    return this.#bound.isPlainSelect && !this.#pooled;
  }

  async run(connection: SqlConnection, values: readonly string[]): Promise<Rows> {
    for (;;) {
      const text = this.#text;
      try {
        const results = await connection.query(text, values);
        return this.#rows(results[0]?.rows ?? []);
      } catch (error) {
        this.#stopPreparing(error, connection);
        if (!this.#learns(error) && text === this.#text) throw error;
      }
    }
  }

  /** libpq gives NULL as the empty string, which earns a warning. */
  #rows(rows: Rows): Rows {
    const fields = this.#bound.isPlainSelect ? rows.map(([record]) => recordFields(record!)) : rows;
    return fields.map((row) => row.map((value) => value ?? EMPTY));
  }

  /** Behind a pooler that hands out connections by the transaction, nothing can be prepared (pgbouncer before 1.21). */
  #stopPreparing(error: unknown, connection: SqlConnection): void {
    if (!(error instanceof SqlFault) || !NOT_OURS.includes(error.code)) return;
    this.#pooled = true;
    connection.close();
    throw new SqlFault("lost", error.message, error.code, { cause: error });
  }

  /** Learns from a complaint about a parameter's type; false when there is nothing new to learn. */
  #learns(error: unknown): boolean {
    if (!(error instanceof SqlFault) || error.code !== INDETERMINATE) return false;
    const hole = Number(/\$(\d+)/.exec(error.message)?.[1] ?? 0) - 1;
    if (hole < 0 || hole >= this.#bound.holes.length || this.#told.has(hole)) return false;
    this.#told.add(hole);
    this.#text = this.#write();
    return true;
  }

  /** In brackets the server itself makes text of the values and cuts off too many rows. */
  #write(): string {
    const cast = (hole: number) => this.#told.has(hole) ? "::text" : "";
    const text = statementText(this.#bound, (hole) => `$${hole + 1}${cast(hole)}`);
    if (!this.#bound.isPlainSelect) return text;
    return `SELECT ${ROW}::text FROM (${text}) AS ${ROW} LIMIT ${MOST_ROWS + 1}`;
  }
}
