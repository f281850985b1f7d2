import { isLetter, type Node } from "./syntax_tree.ts";
import { BESIDE, holdsAt, kindOf } from "./program.ts";
import type { Captures } from "./threads.ts";

/** The pattern took too many steps on a text: nothing can be said of it. */
export class MatchLimitFault extends Error {
  override readonly name = "MatchLimitFault";
}

/** Steps that one match may take, as PCRE's match limit. */
const MOST_STEPS = 2_000_000;

interface State {
  readonly subject: string;
  captures: Captures;
  steps: number;
}

type Next = (at: number) => boolean;
type Matcher = (state: State, at: number, next: Next) => boolean;

/** What an automaton cannot match (back references, looks, atomic groups), by trying ways one after the other, with a limit. */
export class Backtracker {
  readonly #match: Matcher;
  readonly #groups: number;

  constructor(node: Node, groups: number) {
    this.#match = matcherOf({ is: "group", index: 0, item: node });
    this.#groups = groups;
  }

  find(subject: string): Captures | undefined {
    const state: State = { subject, captures: new Int32Array(0), steps: 0 };
    try {
      for (let at = 0; at <= subject.length; at++) {
        state.captures = new Int32Array(2 * (this.#groups + 1)).fill(-1);
        if (this.#match(state, at, () => true)) return state.captures;
      }
      return undefined;
    } catch (error) {
      if (error instanceof RangeError) throw new MatchLimitFault("the text nests too deeply for the pattern");
      throw error;
    }
  }
}

function step(state: State): void {
  if (++state.steps > MOST_STEPS) throw new MatchLimitFault("the pattern takes too many steps on the text");
}

function matcherOf(node: Node): Matcher {
  switch (node.is) {
    case "set":
      return (state, at, next) => {
        step(state);
        return at < state.subject.length && node.set[state.subject.charCodeAt(at)] === 1 && next(at + 1);
      };
    case "sequence":
      return node.items.map(matcherOf).reduceRight<Matcher>(
        (rest, first) => (state, at, next) => first(state, at, (to) => rest(state, to, next)),
        (_, at, next) => next(at),
      );
    case "choice": {
      const items = node.items.map(matcherOf);
      return (state, at, next) => items.some((item) => restoring(state, () => item(state, at, next)));
    }
    case "repeat":
      return node.item.is === "set" ? repeatSet(node, node.item.set) : repeatAny(node);
    case "group":
      return groupMatcher(node.index, matcherOf(node.item));
    case "place":
      return (state, at, next) => {
        step(state);
        return holdsAt(node.place, kindBefore(state.subject, at), kindAfter(state.subject, at)) && next(at);
      };
    case "back":
      return (state, at, next) => backReference(state, at, node) && next(at + lengthOf(state, node.index));
    case "look":
      return node.ahead
        ? lookAhead(matcherOf(node.item), node.negative)
        : lookBehind(matcherOf(node.item), node.negative);
    case "atomic": {
      const item = matcherOf(node.item);
      return (state, at, next) => {
        let end = -1;
        return item(state, at, (to) => (end = to, true)) && next(end);
      };
    }
  }
}

/** Runs an attempt; when it fails the groups are as before. */
function restoring(state: State, attempt: () => boolean): boolean {
  const before = state.captures.slice();
  if (attempt()) return true;
  state.captures = before;
  return false;
}

function groupMatcher(index: number, item: Matcher): Matcher {
  return (state, at, next) => {
    const [start, end] = [state.captures[2 * index]!, state.captures[2 * index + 1]!];
    const matched = item(state, at, (to) => {
      const [innerStart, innerEnd] = [state.captures[2 * index]!, state.captures[2 * index + 1]!];
      state.captures[2 * index] = at;
      state.captures[2 * index + 1] = to;
      if (next(to)) return true;
      state.captures[2 * index] = innerStart;
      state.captures[2 * index + 1] = innerEnd;
      return false;
    });
    if (!matched) {
      state.captures[2 * index] = start;
      state.captures[2 * index + 1] = end;
    }
    return matched;
  };
}

/** One set many times: counted in a loop, so that long texts do not nest calls. */
function repeatSet({ min, max, greedy }: Node & { readonly is: "repeat" }, set: Uint8Array): Matcher {
  return (state, at, next) => {
    const { subject } = state;
    const most = Math.min(max, subject.length - at);
    let count = 0;
    const grow = () =>
      count < most && set[subject.charCodeAt(at + count)] === 1 ? (step(state), count++, true) : false;
    if (greedy) {
      while (grow());
      for (; count >= min; count--) {
        step(state);
        if (next(at + count)) return true;
      }
      return false;
    }
    while (count < min) {
      if (!grow()) return false;
    }
    for (;;) {
      step(state);
      if (next(at + count)) return true;
      if (!grow()) return false;
    }
  };
}

function repeatAny({ item, min, max, greedy }: Node & { readonly is: "repeat" }): Matcher {
  const one = matcherOf(item);
  const from = (state: State, at: number, done: number, next: Next): boolean => {
    step(state);
    const again = () =>
      done < max &&
      restoring(state, () => one(state, at, (to) => to === at ? next(to) : from(state, to, done + 1, next)));
    if (done < min) return again();
    return greedy ? again() || next(at) : next(at) || again();
  };
  return (state, at, next) => from(state, at, 0, next);
}

function lengthOf(state: State, index: number): number {
  return state.captures[2 * index + 1]! - state.captures[2 * index]!;
}

/** Compares byte by byte, and long texts count as many steps. */
function backReference(state: State, at: number, node: Node & { readonly is: "back" }): boolean {
  const { subject, captures } = state;
  const start = captures[2 * node.index]!;
  const length = captures[2 * node.index + 1]! - start;
  step(state);
  if (start < 0 || at + length > subject.length) return false;
  for (let i = 0; i < length; i++) {
    const wanted = subject.charCodeAt(start + i);
    const there = subject.charCodeAt(at + i);
    if (wanted !== there && !(node.ignoreCase && isLetter(there) && (wanted ^ there) === 0x20)) return false;
    if ((i & 15) === 15) step(state);
  }
  return true;
}

function lookAhead(item: Matcher, negative: boolean): Matcher {
  return (state, at, next) => {
    const before = state.captures.slice();
    const matched = item(state, at, () => true);
    if (negative || !matched) state.captures = before;
    return matched !== negative && next(at);
  };
}

/** Tries every place before for one from which the item ends just here. */
function lookBehind(item: Matcher, negative: boolean): Matcher {
  return (state, at, next) => {
    const before = state.captures.slice();
    let matched = false;
    for (let start = at; start >= 0 && !matched; start--) {
      step(state);
      matched = item(state, start, (to) => to === at);
    }
    if (negative || !matched) state.captures = before;
    return matched !== negative && next(at);
  };
}

function kindBefore(subject: string, at: number): number {
  return at === 0 ? BESIDE.edge : kindOf(subject.charCodeAt(at - 1));
}

function kindAfter(subject: string, at: number): number {
  if (at >= subject.length) return BESIDE.edge;
  const code = subject.charCodeAt(at);
  return code === 10 && at === subject.length - 1 ? BESIDE.finalNewline : kindOf(code);
}
