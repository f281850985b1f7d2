import { type CharSet, isWordCode, type Node, type Place, RegexSyntaxError } from "./syntax_tree.ts";

/** Instructions of the automaton. */
export const OP = { set: 0, split: 1, jump: 2, save: 3, place: 4, match: 5 } as const;

/** One instruction; `split` prefers `x` to `y`. */
export interface Instruction {
  readonly op: number;
  x: number;
  y: number;
  readonly set: CharSet | undefined;
  readonly place: Place | undefined;
}

/** A compiled pattern. */
export interface Program {
  readonly code: readonly Instruction[];
  readonly groups: number;
  readonly places: ReadonlySet<Place>;
}

/** Counted repetitions are written out; past this the pattern is refused. */
const LONGEST_PROGRAM = 20_000;

const instruction = (op: number, fields: Partial<Instruction> = {}): Instruction => ({
  op,
  x: 0,
  y: 0,
  set: undefined,
  place: undefined,
  ...fields,
});

class Compiler {
  readonly code: Instruction[] = [];
  readonly places = new Set<Place>();
  readonly #perl: boolean;

  constructor(perl: boolean) {
    this.#perl = perl;
  }

  #emit(op: number, fields?: Partial<Instruction>): Instruction {
    if (this.code.length >= LONGEST_PROGRAM) throw new RegexSyntaxError("Regular expression too big");
    const made = instruction(op, fields);
    this.code.push(made);
    return made;
  }

  compile(node: Node): void {
    switch (node.is) {
      case "set":
        this.#emit(OP.set, { set: node.set });
        return;
      case "sequence":
        for (const item of node.items) this.compile(item);
        return;
      case "choice":
        return this.#choice(node.items);
      case "repeat":
        return this.#repeat(node);
      case "group":
        this.#emit(OP.save, { x: 2 * node.index });
        this.compile(node.item);
        this.#emit(OP.save, { x: 2 * node.index + 1 });
        return;
      case "place":
        this.places.add(node.place);
        this.#emit(OP.place, { place: node.place });
        return;
      default:
        throw new TypeError(`${node.is} is not regular`);
    }
  }

  #choice(items: readonly Node[]): void {
    const ends: Instruction[] = [];
    items.forEach((item, at) => {
      const split = at < items.length - 1 ? this.#emit(OP.split) : undefined;
      if (split !== undefined) split.x = this.code.length;
      this.compile(item);
      if (split === undefined) return;
      ends.push(this.#emit(OP.jump));
      split.y = this.code.length;
    });
    for (const end of ends) end.x = this.code.length;
  }

  #repeat({ item, min, max, greedy }: Node & { readonly is: "repeat" }): void {
    for (let at = 0; at < min; at++) this.compile(item);
    if (max === Infinity) return this.#star(item, greedy);
    const splits: Instruction[] = [];
    for (let at = min; at < max; at++) {
      splits.push(this.#fork(greedy));
      this.compile(item);
    }
    for (const split of splits) this.#leave(split, greedy);
  }

  #star(item: Node, greedy: boolean): void {
    const start = this.code.length;
    const split = this.#fork(greedy);
    this.compile(item);
    if (!this.#perl) this.#emit(OP.jump, { x: start });
    else {
      // Perl leaves the loop after a turn that took nothing, and keeps that turn's groups
      const again = this.#emit(OP.split);
      if (greedy) again.x = start;
      else again.y = start;
      this.#leave(again, greedy);
    }
    this.#leave(split, greedy);
  }

  /** A split whose one way goes on here; `#leave` sets the other. */
  #fork(greedy: boolean): Instruction {
    const split = this.#emit(OP.split);
    if (greedy) split.x = this.code.length;
    else split.y = this.code.length;
    return split;
  }

  #leave(split: Instruction, greedy: boolean): void {
    if (greedy) split.y = this.code.length;
    else split.x = this.code.length;
  }

  finish(): void {
    this.#emit(OP.match);
  }
}

/** Compiles a regular pattern; `perl` for Perl's rule on turns of a loop that take nothing. Throws RegexSyntaxError when it is too big. */
export function compileProgram(node: Node, groups: number, perl: boolean): Program {
  const compiler = new Compiler(perl);
  compiler.compile({ is: "group", index: 0, item: node });
  compiler.finish();
  return { code: compiler.code, groups, places: compiler.places };
}

/** What lies beside a place: the text's edge, a newline, a word character or another. */
export const BESIDE = { edge: 0, newline: 1, word: 2, other: 3, finalNewline: 4 } as const;

/** The kind of a byte. */
export function kindOf(code: number): number {
  return code === 10 ? BESIDE.newline : isWordCode(code) ? BESIDE.word : BESIDE.other;
}

/** Whether the condition holds between two kinds. */
export function holdsAt(place: Place, before: number, after: number): boolean {
  const wordBefore = before === BESIDE.word;
  const wordAfter = after === BESIDE.word;
  switch (place) {
    case "start":
      return before === BESIDE.edge;
    case "end":
      return after === BESIDE.edge;
    case "final-end":
      return after === BESIDE.edge || after === BESIDE.finalNewline;
    case "line-start":
      return before === BESIDE.edge || before === BESIDE.newline;
    case "line-end":
      return after === BESIDE.edge || after === BESIDE.newline || after === BESIDE.finalNewline;
    case "word-edge":
      return wordBefore !== wordAfter;
    case "no-word-edge":
      return wordBefore === wordAfter;
    case "word-start":
      return !wordBefore && wordAfter;
    case "word-end":
      return wordBefore && !wordAfter;
  }
}
