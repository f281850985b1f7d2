import { BESIDE, holdsAt, kindOf, OP, type Program } from "./program.ts";

/** A state of the automaton: where its threads stand, and what lies before the place. */
interface State {
  readonly seeds: readonly number[];
  readonly before: number;
  readonly next: (State | boolean | undefined)[];
}

/** States kept; past this they are built anew. Bounds memory whatever the pattern. */
const MOST_STATES = 1000;

/**
 * Tells whether a text matches, in time linear in its length whatever the pattern: states of the deterministic automaton
 * are made when first needed and kept.
 */
export class LazyDfa {
  readonly #program: Program;
  readonly #anchored: boolean;
  /** Byte to symbol: bytes that no instruction tells apart share one. */
  readonly #symbolOf = new Uint16Array(256);
  readonly #byteOf: number[] = [];
  readonly #end: number;
  readonly #finalNewline: number;
  readonly #tellsPlaces: boolean;
  #states = new Map<string, State>();
  #start: State;

  constructor(program: Program, anchored: boolean) {
    this.#program = program;
    this.#anchored = anchored;
    this.#tellsPlaces = program.places.size > 0;
    this.#numberSymbols();
    this.#end = this.#byteOf.length;
    this.#finalNewline = this.#end + 1;
    this.#start = this.#state([0], BESIDE.edge);
  }

  #numberSymbols(): void {
    const sets = [...new Set(this.#program.code.flatMap(({ set }) => set === undefined ? [] : [set]))];
    const symbols = new Map<string, number>();
    for (let code = 0; code < 256; code++) {
      const kind = this.#tellsPlaces ? kindOf(code) : 0;
      const signature = `${kind}${sets.map((set) => set[code]).join("")}`;
      let symbol = symbols.get(signature);
      if (symbol === undefined) {
        symbols.set(signature, symbol = this.#byteOf.length);
        this.#byteOf.push(code);
      }
      this.#symbolOf[code] = symbol;
    }
  }

  #state(seeds: readonly number[], before: number): State {
    const name = `${before}:${seeds.join(",")}`;
    let state = this.#states.get(name);
    if (state === undefined) {
      if (this.#states.size >= MOST_STATES) this.#states = new Map();
      this.#states.set(name, state = { seeds, before, next: [] });
    }
    return state;
  }

  /** The subject is bytes, one a character. */
  test(subject: string): boolean {
    let state = this.#start;
    const last = subject.length - 1;
    for (let at = 0; at <= last; at++) {
      const code = subject.charCodeAt(at);
      const symbol = at === last && code === 10 ? this.#finalNewline : this.#symbolOf[code]!;
      const next = state.next[symbol] ?? this.#step(state, symbol);
      if (next === true || next === false) return next;
      state = next;
    }
    return (state.next[this.#end] ?? this.#step(state, this.#end)) === true;
  }

  #step(state: State, symbol: number): State | boolean {
    return state.next[symbol] = this.#go(state, symbol);
  }

  #go(state: State, symbol: number): State | boolean {
    const byte = symbol === this.#finalNewline ? 10 : this.#byteOf[symbol];
    const after = symbol === this.#end
      ? BESIDE.edge
      : symbol === this.#finalNewline
      ? BESIDE.finalNewline
      : kindOf(byte!);
    const closure = this.#closure(state.seeds, state.before, after);
    if (closure === true) return true;
    if (symbol === this.#end) return false;
    const seeds = new Set<number>();
    for (const pc of closure) {
      if (this.#program.code[pc]!.set![byte!] === 1) seeds.add(pc + 1);
    }
    if (!this.#anchored) seeds.add(0);
    if (seeds.size === 0) return false;
    const before = this.#tellsPlaces ? kindOf(byte!) : BESIDE.other;
    return this.#state([...seeds].sort((a, b) => a - b), before);
  }

  /** The set instructions that can be reached without reading; true when the match is. */
  #closure(seeds: readonly number[], before: number, after: number): number[] | true {
    const { code } = this.#program;
    const seen = new Uint8Array(code.length);
    const stack = [...seeds];
    const sets: number[] = [];
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (seen[pc] === 1) continue;
      seen[pc] = 1;
      const { op, x, y, place } = code[pc]!;
      if (op === OP.match) return true;
      if (op === OP.set) sets.push(pc);
      else if (op === OP.split) stack.push(x, y);
      else if (op === OP.jump) stack.push(x);
      else if (op === OP.save || holdsAt(place!, before, after)) stack.push(pc + 1);
    }
    return sets;
  }
}
