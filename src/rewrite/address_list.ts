import { type Address, internalAddress } from "../address/address.ts";
import { isOperator, printTokens, scanTokens, type Token } from "./tokens.ts";

const WORDS: ReadonlySet<Token["type"]> = new Set(["atom", "quoted", "literal"]);

/** Finds the addresses in the tokens of a list, from its right end to its left one: that way a name in front of `<` is known for one. */
class ListReader {
  readonly #tokens: readonly Token[];
  readonly #found: Address[] = [];
  /** Where the address ends that is being gathered. */
  #end: number;
  #mayBeWord = true;
  #inGroup = false;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#end = tokens.length;
  }

  read(): Address[] {
    for (let at = this.#tokens.length - 1; at >= 0;) at = this.#take(at, this.#tokens[at]!);
    this.#close(-1);
    return this.#found.reverse();
  }

  /** Looks at a token; where to go on. */
  #take(at: number, token: Token): number {
    if (WORDS.has(token.type)) this.#takeWord(at);
    else if (token.text === ">") return this.#takeBrackets(at);
    else if (token.text === ":" && this.#inGroup) return this.#takeGroupName(at);
    else {
      if (token.text === ";" || token.text === ",") this.#close(at, at);
      if (token.text === ";") this.#inGroup = true;
      this.#mayBeWord = true;
    }
    return at - 1;
  }

  /** Words that touch are addresses of their own: a comma is missing. */
  #takeWord(at: number): void {
    if (!this.#mayBeWord) this.#close(at, at + 1);
    this.#mayBeWord = false;
  }

  #takeBrackets(at: number): number {
    this.#close(at, at);
    const open = this.#before(at, "<");
    this.#close(open);
    const next = this.#before(open, ">;,:");
    this.#end = next;
    this.#mayBeWord = true;
    return next;
  }

  #takeGroupName(at: number): number {
    this.#close(at);
    const next = this.#before(at, ",");
    this.#end = next;
    return next;
  }

  /** Where one of the signs is, from there to the left; -1 for nowhere. */
  #before(at: number, signs: string): number {
    let place = at;
    while (place >= 0 && ![...signs].some((sign) => isOperator(this.#tokens[place], sign))) place--;
    return place;
  }

  /** What was gathered right of `left` is an address; the next one ends at `end`. */
  #close(left: number, end = left): void {
    const tokens = this.#tokens.slice(left + 1, Math.max(this.#end, 0));
    if (tokens.length > 0) this.#found.push(internalAddress(printTokens(tokens)));
    this.#end = end;
  }
}

/**
 * The addresses of a list as people and programs write them, in internal form: names, comments, groups and missing commas are understood as
 * Postfix does (RFC 822 §6.1). What is no address of RFC 5322 stays as it is, for who rewrites it to judge.
 */
export function readAddressList(text: string): Address[] {
  return new ListReader(scanTokens(text).filter(({ type }) => type !== "comment")).read();
}
