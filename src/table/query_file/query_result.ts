import type { TableContext } from "../context.ts";
import { expandTemplate, type Parts, type Piece, type TemplateNeeds } from "./query_template.ts";
import { ABSENT, type Answer } from "../table.ts";

/** How results become one value: `result_format` for each, commas between, no more than `expansion_limit` of them (0: any). */
export interface ResultRules {
  readonly spec: string;
  readonly format: readonly Piece[];
  readonly needs: TemplateNeeds;
  readonly limit: number;
  readonly warn: TableContext["warn"];
}

/** Gathers the results of one lookup (db_common_expand). */
export class ResultGatherer {
  readonly #rules: ResultRules;
  readonly #key: Parts;
  readonly #values: string[] = [];
  #over = false;

  constructor(rules: ResultRules, key: Parts) {
    this.#rules = rules;
    this.#key = key;
  }

  /** Takes a result; null is skipped. False when there are too many: then no more need be read. */
  add(value: string | null): boolean {
    const { spec, format, needs, limit, warn } = this.#rules;
    if (value === null) return true;
    if (value === "") {
      warn(`table "${spec}": empty lookup result for: "${this.#key.whole}" -- ignored`);
      return true;
    }
    const parts = needs.ofValue(value);
    if (parts === undefined) return true;
    this.#values.push(expandTemplate(format, { key: this.#key, value: parts }));
    this.#over ||= limit > 0 && this.#values.length > limit;
    return !this.#over;
  }

  /** Too many results are trouble: a part of them would be a wrong answer. */
  answer(): Answer {
    const { spec, limit } = this.#rules;
    if (this.#over) {
      const why =
        `${spec}: Expansion limit exceeded for key: '${this.#key.whole}': more than ${limit} results`;
      return { is: "trouble", retry: true, why };
    }
    const value = this.#values.join(",");
    return value === "" ? ABSENT : { is: "found", value };
  }
}
