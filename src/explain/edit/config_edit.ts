import { parseMainCf } from "../../config/syntax/main_cf.ts";
import type { Configuration } from "../../config/service.ts";
import type { Change } from "./edit.ts";
import type { Place } from "../explanation.ts";

/** A line of main.cf or master.cf, changed. */
export interface LineEdit {
  readonly file: string;
  /** Undefined when the line is new. */
  readonly line?: number;
  readonly before?: string;
  readonly after: string;
  readonly change: Change;
}

/** Changes the text of a parameter where it stands; undefined where that is no file, or the text does not lend itself. */
export class ConfigEditor {
  readonly #directory: string;
  readonly #main: string;
  readonly #master: string;
  readonly #placeOf: (parameter: string) => Place;
  readonly #valueOf: (parameter: string) => string | undefined;

  constructor(
    { directory, texts }: Configuration,
    placeOf: (parameter: string) => Place,
    valueOf: (parameter: string) => string | undefined,
  ) {
    this.#directory = directory;
    this.#main = texts?.main ?? "";
    this.#master = texts?.master ?? "";
    this.#placeOf = placeOf;
    this.#valueOf = valueOf;
  }

  /** Adds an item to the end of a list. */
  append(parameter: string, item: string): LineEdit | undefined {
    const place = this.#placeOf(parameter);
    if (place.from === "default") {
      const value = this.#valueOf(parameter) ?? "";
      return this.#newLine(parameter, value === "" ? item : `${value}, ${item}`);
    }
    return this.#change(
      parameter,
      place,
      (text) => `${text.trimEnd()}${text.includes(",") ? "," : ""} ${item}`,
    );
  }

  /** Puts words before the n-th item of that name in a restriction list. */
  insertBefore(parameter: string, name: string, nth: number, words: string): LineEdit | undefined {
    const place = this.#placeOf(parameter);
    let seen = 0;
    const item = new RegExp(`(?<![\\w./:-])${name.replace(/\W/g, "\\$&")}(?![\\w./:-])`, "gi");
    return this.#change(
      parameter,
      place,
      (text) => text.replace(item, (found) => seen++ === nth ? `${words}${found}` : found),
      "first",
    );
  }

  /** Puts an item before all others of a list. */
  prepend(parameter: string, item: string): LineEdit | undefined {
    const place = this.#placeOf(parameter);
    if (place.from === "default") {
      const value = this.#valueOf(parameter) ?? "";
      return this.#newLine(parameter, value === "" ? item : `${item}, ${value}`);
    }
    const head = new RegExp(`(${parameter.replace(/\W/g, "\\$&")}\\s*=\\s*)`);
    return this.#change(parameter, place, (text) => text.replace(head, `$1${item}, `), "first");
  }

  /** Gives a parameter another value. */
  set(parameter: string, value: string): LineEdit | undefined {
    const place = this.#placeOf(parameter);
    if (place.from === "default") return this.#newLine(parameter, value);
    if (place.from !== "file" || this.#isMaster(place)) return undefined;
    return this.#replaceLine([place.line], () => `${parameter} = ${value}`);
  }

  #isMaster(place: Place): boolean {
    return place.from === "file" && place.file === `${this.#directory}/master.cf`;
  }

  #newLine(parameter: string, value: string): LineEdit {
    const after = `${parameter} = ${value}`;
    const text = `${this.#main}${this.#main === "" || this.#main.endsWith("\n") ? "" : "\n"}${after}\n`;
    return { file: `${this.#directory}/main.cf`, after, change: { is: "file", file: "main", text } };
  }

  /** Changes the first or the last line of an entry that a change has an effect on. */
  #change(
    parameter: string,
    place: Place,
    change: (text: string) => string,
    which: "first" | "last" = "last",
  ): LineEdit | undefined {
    if (place.from !== "file") return undefined;
    if (this.#isMaster(place)) return this.#changeOption(parameter, place.line, change);
    const lines = this.#linesOf(parameter);
    return this.#replaceLine(which === "first" ? lines : lines.toReversed(), change);
  }

  /** The physical lines of a main.cf entry, without the comments between them. */
  #linesOf(parameter: string): number[] {
    const first = parseMainCf(this.#main, "").entries.get(parameter)?.line ?? 1;
    const lines = this.#main.split("\n");
    const own = [first];
    for (let at = first + 1; at <= lines.length; at++) {
      const line = lines[at - 1]!;
      if (/^\s*(?:#|$)/.test(line)) continue;
      if (!/^\s/.test(line)) break;
      own.push(at);
    }
    return own;
  }

  #replaceLine(candidates: readonly number[], change: (text: string) => string): LineEdit | undefined {
    const lines = this.#main.split("\n");
    for (const at of candidates) {
      const before = lines[at - 1]!;
      const after = change(before);
      if (after === before) continue;
      return {
        file: `${this.#directory}/main.cf`,
        line: at,
        before: before.trim(),
        after: after.trim(),
        change: { is: "file", file: "main", text: lines.with(at - 1, after).join("\n") },
      };
    }
    return undefined;
  }

  /** `-o name=value` is one word, so what is put into it has no blanks. */
  #changeOption(parameter: string, line: number, change: (text: string) => string): LineEdit | undefined {
    const name = parameter.replace(/\W/g, "\\$&");
    const option = new RegExp(`(-o\\s*)(${name}=\\S*|\\{\\s*${name}\\s*=[^{}]*\\})`);
    const lines = this.#master.split("\n");
    const before = lines[line - 1] ?? "";
    const after = before.replace(option, (_all, dash: string, pair: string) => {
      const braced = pair.startsWith("{");
      const inner = braced ? pair.slice(0, -1).trimEnd() : pair;
      const made = change(inner);
      return `${dash}${braced ? `${made} }` : made.replace(/\s+/g, ",").replace(/,+/g, ",")}`;
    });
    if (after === before) return undefined;
    return {
      file: `${this.#directory}/master.cf`,
      line,
      before: before.trim(),
      after: after.trim(),
      change: { is: "file", file: "master", text: lines.with(line - 1, after).join("\n") },
    };
  }
}
