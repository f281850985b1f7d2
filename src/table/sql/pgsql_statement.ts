import { type SqlConnection, SqlFault } from "../../platform/database/sql_client.ts";
import { MOST_ROWS, type Rows } from "./sql_answer.ts";
import type { BoundQuery } from "./sql_query.ts";
import { statementText } from "./sql_template.ts";

const EMPTY = new Uint8Array(0);
/** "could not determine data type of parameter" */
const INDETERMINATE = "42P18";

/**
 * The query of a table as a PostgreSQL server takes it. A parameter without a type is what a string constant is: it takes the
 * type of what it is compared with. Where nothing tells the type (`concat('%s', 'x')`), a constant is text; a parameter has to
 * be told.
 */
export class PgsqlStatement {
  readonly #bound: BoundQuery;
  readonly #told = new Set<number>();
  #text: string;

  constructor(bound: BoundQuery) {
    this.#bound = bound;
    this.#text = this.#write();
  }

  async run(connection: SqlConnection, values: readonly string[]): Promise<Rows> {
    for (;;) {
      const text = this.#text;
      try {
        const results = await connection.query(text, values);
        // libpq gives NULL as the empty string, which earns a warning.
        return (results[0]?.rows ?? []).map((row) => row.map((value) => value ?? EMPTY));
      } catch (error) {
        if (!this.#learns(error) && text === this.#text) throw error;
      }
    }
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

  /** In brackets the server itself cuts off too many rows. */
  #write(): string {
    const cast = (hole: number) => this.#told.has(hole) ? "::text" : "";
    const text = statementText(this.#bound, (hole) => `$${hole + 1}${cast(hole)}`);
    if (!this.#bound.isPlainSelect) return text;
    return `SELECT * FROM (${text}) AS mta LIMIT ${MOST_ROWS + 1}`;
  }
}
