// Session transcripts: dialogues that a postmaster can read, run in memory, against the compiled binary, and against the real
// Postfix.
//
//   # title                         begins a transcript; a file may hold several
//   main.cf   name = value          on top of BASE_MAIN_CF
//   client    name[address]         by XCLIENT where the run is live
//   only      mta | postfix | memory   (with a reason behind it)
//   C: text                         sent with CR LF; C: lines in a row leave in one packet; \r \n \t \0 \xHH \\ are bytes, and
//                                   \c at the end leaves the CR LF off
//   S: text                         the next line from the server; * stands for any text; `...` for any number of lines,
//                                   without another `S:` behind it for the rest of the reply
//   S: <closed>                     the server closes the connection
//   C: <closed>                     the client closes its side
//   wait      seconds
//   log       text                  a line of the log, in this order; `log !text`: no line matches
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One step of a dialogue. */
export type Step =
  | { readonly is: "send"; readonly bytes: string; readonly line: number }
  | { readonly is: "expect"; readonly text: string; readonly line: number }
  | { readonly is: "closed" | "end"; readonly line: number }
  | { readonly is: "wait"; readonly seconds: number; readonly line: number };

/** Who the client is. */
export interface TranscriptClient {
  readonly name: string;
  readonly address: string;
}

export interface Transcript {
  readonly title: string;
  readonly file: string;
  readonly main: Readonly<Record<string, string>>;
  readonly client: TranscriptClient | undefined;
  /** Where it runs; everywhere when undefined. */
  readonly only: "mta" | "postfix" | "memory" | undefined;
  readonly steps: readonly Step[];
  readonly logs: readonly string[];
}

const ESCAPES: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", "0": "\0", "\\": "\\" };

/** `\r\n` and the like as bytes, one character each. */
function unescape(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1").replace(
    /\\(?:x([0-9a-fA-F]{2})|([rnt0\\]))/g,
    (_, hex, name) => hex === undefined ? ESCAPES[name]! : String.fromCharCode(parseInt(hex, 16)),
  );
}

function sent(text: string): string {
  return text.endsWith("\\c") ? unescape(text.slice(0, -2)) : `${unescape(text)}\r\n`;
}

type Draft = {
  -readonly [Key in keyof Transcript]: Transcript[Key] extends readonly (infer Item)[] ? Item[]
    : Transcript[Key];
};

function emptyTranscript(title: string, file: string): Draft {
  return { title, file, main: {}, client: undefined, only: undefined, steps: [], logs: [] };
}

function addStep(draft: Draft, side: string, text: string, line: number): void {
  if (side === "S") {
    draft.steps.push(text === "<closed>" ? { is: "closed", line } : { is: "expect", text, line });
  } else if (text === "<closed>") draft.steps.push({ is: "end", line });
  else {
    const last = draft.steps.at(-1);
    if (last?.is === "send") {
      draft.steps[draft.steps.length - 1] = { ...last, bytes: last.bytes + sent(text) };
    } else draft.steps.push({ is: "send", bytes: sent(text), line });
  }
}

function addFact(draft: Draft, word: string, text: string, line: number): void {
  if (word === "main.cf") {
    const [, name, value] = /^(\S+)\s*=\s*(.*)$/.exec(text) ?? [];
    draft.main = { ...draft.main, [name!]: value! };
  } else if (word === "client") {
    const [, name, address] = /^([^[]+)\[([^\]]+)\]$/.exec(text)!;
    draft.client = { name: name!, address: address! };
  } else if (word === "only") draft.only = text.split(/\s/)[0] as Transcript["only"];
  else if (word === "wait") draft.steps.push({ is: "wait", seconds: Number.parseFloat(text), line });
  else draft.logs.push(text);
}

/** Reads the transcripts of a file's text. */
function parseTranscripts(text: string, file: string): Transcript[] {
  const out: Draft[] = [];
  text.split("\n").forEach((line, index) => {
    if (line.startsWith("# ")) return void out.push(emptyTranscript(line.slice(2).trim(), file));
    if (line.trim() === "" || line.startsWith("##")) return;
    const draft = out.at(-1);
    const match = /^(?:([CS]):(?: (.*))?|(main\.cf|client|only|wait|log)\s+(.*))$/.exec(line);
    if (draft === undefined || match === null) {
      throw new Error(`${file}:${index + 1}: not a transcript line: ${line}`);
    }
    if (match[1] !== undefined) addStep(draft, match[1], match[2] ?? "", index + 1);
    else addFact(draft, match[3]!, match[4]!, index + 1);
  });
  return out;
}

/** All transcripts below test/sessions. */
export function allTranscripts(folder = join(import.meta.dirname, "../../sessions")): Transcript[] {
  return readdirSync(folder).filter((name) => name.endsWith(".smtp")).sort()
    .flatMap((name) => parseTranscripts(readFileSync(join(folder, name), "utf8"), name));
}

/** Whether a line is as the pattern says; `*` stands for any text. */
function matchesPattern(pattern: string, line: string): boolean {
  const source = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${source}$`, "s").test(line);
}

/** The client's end of a dialogue, in whatever world. */
export interface Line {
  send(bytes: string): Promise<void>;
  /** The next line without CR LF; undefined when the server has closed or says nothing more. */
  receive(): Promise<string | undefined>;
  isClosed(): Promise<boolean>;
  end(): Promise<void>;
  wait(seconds: number): Promise<void>;
  /** Closes, and answers what the log has got since the start, without time and tag; waits a moment until that is `enough`. */
  finish(enough: (lines: readonly string[]) => boolean): Promise<readonly string[]>;
}

/** Of a reply (RFC 5321 §4.2.1). */
const LAST_LINE = /^\d{3}(?: |$)/;

class Player {
  readonly #line: Line;
  readonly #transcript: Transcript;
  #ahead: string | undefined;

  constructor(line: Line, transcript: Transcript) {
    this.#line = line;
    this.#transcript = transcript;
  }

  #fail(step: Step, what: string): never {
    const { file, title } = this.#transcript;
    throw new Error(`${file}:${step.line}: ${title}: ${what}`);
  }

  async #next(): Promise<string | undefined> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead ?? await this.#line.receive();
  }

  async #skipUntil(pattern: string | undefined): Promise<void> {
    for (;;) {
      const got = await this.#next();
      if (got === undefined) return;
      if (pattern === undefined && LAST_LINE.test(got)) return;
      if (pattern !== undefined && matchesPattern(pattern, got)) return void (this.#ahead = got);
    }
  }

  async #expect(step: Extract<Step, { is: "expect" }>, following: Step | undefined): Promise<void> {
    if (step.text === "...") {
      return await this.#skipUntil(following?.is === "expect" ? following.text : undefined);
    }
    const got = await this.#next();
    if (got === undefined || !matchesPattern(step.text, got)) {
      this.#fail(step, `expected "${step.text}", got ${got === undefined ? "nothing" : `"${got}"`}`);
    }
  }

  async #step(step: Step, following: Step | undefined): Promise<void> {
    switch (step.is) {
      case "send":
        return await this.#line.send(step.bytes);
      case "expect":
        return await this.#expect(step, following);
      case "end":
        return await this.#line.end();
      case "wait":
        return await this.#line.wait(step.seconds);
      case "closed": {
        const more = await this.#next();
        if (more !== undefined) this.#fail(step, `expected the end, got "${more}"`);
        if (!await this.#line.isClosed()) this.#fail(step, "the connection is still open");
      }
    }
  }

  async play(): Promise<void> {
    const { steps, logs, title, file } = this.#transcript;
    const [first] = steps;
    // The greeting may be left out.
    if (first?.is !== "expect" && first?.is !== "wait") await this.#next();
    for (let i = 0; i < steps.length; i++) await this.#step(steps[i]!, steps[i + 1]);
    const last = steps.at(-1);
    const more = last?.is === "expect" || last?.is === "closed" ? await this.#ahead : undefined;
    if (more !== undefined) this.#fail(last!, `unexpected "${more}"`);
    const name = `${file}: ${title}`;
    checkLog(await this.#line.finish((lines) => missingFrom(lines, logs) === undefined), logs, name);
  }
}

/** The first line that the log should have and has not, in order. */
function missingFrom(lines: readonly string[], patterns: readonly string[]): string | undefined {
  let at = 0;
  for (const pattern of patterns.filter((pattern) => !pattern.startsWith("!"))) {
    const found = lines.findIndex((line, index) => index >= at && matchesPattern(pattern, line));
    if (found < 0) return pattern;
    at = found + 1;
  }
  return undefined;
}

function checkLog(lines: readonly string[], patterns: readonly string[], title: string): void {
  const missing = missingFrom(lines, patterns);
  if (missing !== undefined) throw new Error(`${title}: no log line "${missing}" in\n${lines.join("\n")}`);
  for (const pattern of patterns.filter((pattern) => pattern.startsWith("!"))) {
    const bad = lines.find((line) => matchesPattern(pattern.slice(1), line));
    if (bad !== undefined) throw new Error(`${title}: the log must not have "${bad}"`);
  }
}

/** Plays a transcript over a line that is open already; throws at the first difference. */
export async function play(transcript: Transcript, line: Line): Promise<void> {
  await new Player(line, transcript).play();
}
