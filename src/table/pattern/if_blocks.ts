/** A rule of a table with IF and ENDIF (cidr_table(5), regexp_table(5), pcre_table(5)). */
export type BlockRule<Match extends object, Condition extends object> =
  | Match & { readonly is: "match" }
  /** `endif`: the place of the rule behind which a table goes on when the condition does not hold. */
  | Condition & { readonly is: "if"; readonly endif: number }
  | { readonly is: "endif" };

/** The rules of a table as they are read, each IF with the place of its ENDIF. */
export class IfBlocks<Match extends object, Condition extends object> {
  readonly #rules: BlockRule<Match, Condition>[] = [];
  readonly #open: { readonly at: number; readonly condition: Condition; readonly line: number }[] = [];

  get rules(): readonly BlockRule<Match, Condition>[] {
    return this.#rules;
  }

  match(rule: Match): void {
    this.#rules.push({ ...rule, is: "match" });
  }

  begin(condition: Condition, line: number): void {
    this.#open.push({ at: this.#rules.length, condition, line });
    this.#rules.push({ ...condition, is: "if", endif: 0 });
  }

  /** Ends the innermost IF; false when none is open. */
  end(): boolean {
    const open = this.#open.pop();
    if (open === undefined) return false;
    this.#close(open.at, open.condition);
    this.#rules.push({ is: "endif" });
    return true;
  }

  /** Ends what is still open, innermost first. */
  finish(warn: (line: number, text: string) => void): void {
    for (const { at, condition, line } of this.#open.reverse()) {
      warn(line, "IF has no matching ENDIF");
      this.#close(at, condition);
    }
  }

  #close(at: number, condition: Condition): void {
    this.#rules[at] = { ...condition, is: "if", endif: this.#rules.length };
  }
}
