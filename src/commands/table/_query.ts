import { isUtf8 } from "node:buffer";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { linesOf, standardInputBlocks, wholeStandardInput } from "../../platform/process/standard_input.ts";
import { openTable, tableType } from "../../table/table_types.ts";
import type { FoundValue } from "../../table/index/record_file.ts";
import { lineText } from "../../table/text/source_lines.ts";
import type { Answer, Table } from "../../table/table.ts";
import { jsonBytes, jsonLine } from "./_json.ts";
import { isStandardInput, ToolFault } from "./_options.ts";
import { Output } from "../output.ts";
import { splitSpec, type ToolRun } from "./_run.ts";
import { decodeValue } from "./_values.ts";
import { messageKeys } from "./_message.ts";
import { walkLimits } from "../../message/mime_walker.ts";

interface Hit {
  readonly value: Buffer;
  readonly table: string;
  readonly line?: number;
}

/** Tables that are opened when a key first gets to them. */
class Tables {
  readonly #run: ToolRun;
  readonly #open: (Table | undefined)[];
  readonly #specs: readonly string[];
  readonly #isQuick: boolean;

  constructor(run: ToolRun) {
    this.#run = run;
    this.#specs = run.options.tables.map((argument) => {
      const { type, name } = splitSpec(run, argument);
      return `${type}:${name}`;
    });
    this.#open = this.#specs.map(() => undefined);
    this.#isQuick = this.#specs.length === 1 && tableType(typeOf(this.#specs[0]!))?.local === true;
  }

  /** The first table's value for the key; undefined when none has it. Tables on servers answer later, all others at once. */
  find(key: Buffer, from = 0): MaybeAsync<Hit | undefined> {
    for (let at = from; at < this.#specs.length; at++) {
      const spec = this.#specs[at]!;
      const table = this.#open[at] ??= openTable(spec, this.#run.context);
      if (this.#run.encoding === "utf8" && !isUtf8(key)) {
        this.#run.warn(
          `${withSuffix(spec)}: non-UTF-8 key "${shown(key)}": malformed UTF-8 or invalid codepoint`,
        );
        continue;
      }
      const text = key.toString(this.#run.encoding);
      const answer = table.lookup(text);
      if (isPromise(answer)) {
        return answer.then((later) => this.#hitOf(spec, text, later) ?? this.find(key, at + 1));
      }
      const hit = this.#hitOf(spec, text, answer);
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  /** The only table's answer where it has one at once and there is nothing to say of it: the common case of many keys. */
  quick(key: string): Answer | undefined {
    if (!this.#isQuick) return undefined;
    const answer = (this.#open[0] ??= openTable(this.#specs[0]!, this.#run.context)).lookup(key);
    if (isPromise(answer) || answer.is === "trouble" || (answer.is === "found" && answer.value === "")) {
      return undefined;
    }
    return answer;
  }

  /** The only table, where it has a way for keys by the million. */
  plain(): Table | undefined {
    if (!this.#isQuick) return undefined;
    const table = this.#open[0] ??= openTable(this.#specs[0]!, this.#run.context);
    return table.lookupPlain === undefined ? undefined : table;
  }

  close(): void {
    for (const table of this.#open) table?.close();
  }

  #hitOf(spec: string, key: string, answer: Answer): Hit | undefined {
    if (answer.is === "found") return this.#hit(spec, key, answer);
    if (answer.is === "trouble") throw this.#fault(spec, answer);
    return undefined;
  }

  #hit(spec: string, key: string, { value, line }: Answer & { readonly is: "found" }): Hit {
    const { options, encoding, warn } = this.#run;
    if (value === "") {
      const shown = lineText(Buffer.from(key, encoding), 0, Buffer.byteLength(key, encoding));
      const title = isStandardInput(options) ? withSuffix(spec) : spec;
      warn(`table ${title}: key ${shown}: empty string result is not allowed`);
      warn(`table ${title} should return NO RESULT in case of NOT FOUND`);
    }
    const bytes = options.valuesAreFiles
      ? decodeValue(this.#run, withSuffix(spec), key, value)
      : Buffer.from(value, encoding);
    if (bytes === undefined) throw new ToolFault(`table ${withSuffix(spec)}: query error`);
    return { value: bytes, table: spec, ...(line !== undefined && { line }) };
  }

  /** A table that cannot be opened says why; one that fails at a key is a query error. */
  #fault(spec: string, { why, part }: Trouble): ToolFault {
    if (part?.of === "opening") return new ToolFault(part.reason);
    if (part?.of === "query") return new ToolFault(why);
    this.#run.warn(why);
    return new ToolFault(`table ${spec}: query error${part === undefined ? "" : `: ${part.reason}`}`);
  }
}

type Trouble = Extract<Answer, { readonly is: "trouble" }>;

const shown = (key: Buffer) => key.toString("latin1").replace(/[\x00-\x1f\x7f-\xff]/g, "?");

const typeOf = (spec: string) => spec.slice(0, spec.indexOf(":"));

/** Postfix calls an opened hash, btree or cdb table by its file. */
function withSuffix(spec: string): string {
  const format = tableType(typeOf(spec))?.index;
  return format === undefined || format.calledByName ? spec : spec + format.suffix;
}

/** `-q key` prints the value; `-q -` prints key and value of every line that is found, in the order of the keys. */
export async function queryTables(run: ToolRun): Promise<number> {
  const query = new Query(run);
  try {
    const { options, warn } = run;
    if (!isStandardInput(options)) await query.all([Buffer.from(options.key!)]);
    else if (options.body || options.header) {
      // Lines of any length: they are read whole, not in pieces of line_length_limit.
      const limits = walkLimits(run.settings, Infinity);
      await query.all(messageKeys(wholeStandardInput(), options, limits));
    } else {
      if (options.mime) warn("ignoring -m option without -b or -h");
      for (const block of standardInputBlocks()) await query.block(block);
    }
    return query.finish();
  } finally {
    query.close();
  }
}

const NEWLINE = 0x0a;

/** A loop, since keys are shorter than a native search takes to set up. */
function lineEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== NEWLINE) at++;
  return at;
}

/** Bytes one behind the other. */
class Growing {
  #bytes: Buffer;
  #filled = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Adds a line: the key `keys[start..end)`, what stands behind a key, and its value. */
  addLine(keys: Uint8Array, start: number, end: number, separator: Uint8Array, found: FoundValue): void {
    const length = end - start + separator.length + found.end - found.start + 1;
    if (this.#filled + length > this.#bytes.length) this.#grow(length);
    const to = this.#bytes;
    let at = this.#filled;
    for (let i = start; i < end; i++) to[at++] = keys[i]!;
    for (let i = 0; i < separator.length; i++) to[at++] = separator[i]!;
    const { bytes } = found;
    for (let i = found.start; i < found.end; i++) to[at++] = bytes[i]!;
    to[at++] = NEWLINE;
    this.#filled = at;
  }

  /** What there is, which is the taker's; what comes next starts anew. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#filled);
    this.#bytes = this.#bytes.subarray(this.#filled);
    this.#filled = 0;
    return taken;
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(2 * (this.#filled + length));
    grown.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = grown;
  }
}

/** The keys of one run, asked one after the other. */
class Query {
  readonly #run: ToolRun;
  readonly #tables: Tables;
  readonly #output = new Output();
  #found = 0;

  constructor(run: ToolRun) {
    this.#run = run;
    this.#tables = new Tables(run);
  }

  async all(keys: Iterable<Buffer>): Promise<void> {
    for (const key of keys) {
      const answer = this.#tables.find(key);
      const hit = isPromise(answer) ? await answer : answer;
      if (hit === undefined) continue;
      this.#found++;
      print(this.#run, this.#output, key, hit);
    }
  }

  /** Lines of keys. They are text at once where they can be, since a key may come by the million. */
  async block(block: Buffer): Promise<void> {
    const { options, encoding } = this.#run;
    const isPlain = !options.json && !options.valuesAreFiles && (encoding === "latin1" || isUtf8(block));
    if (!isPlain) return await this.all(linesOf(block));
    const table = this.#tables.plain();
    return await (table === undefined ? this.#texts(block) : this.#bytes(block, table));
  }

  /** Bytes of keys to bytes of answers, with no object for any of them. What is not plain is asked as text. */
  async #bytes(block: Buffer, table: Table): Promise<void> {
    const out = new Growing(2 * block.length);
    const separator = Buffer.from(this.#run.style.separator);
    for (let at = 0; at < block.length;) {
      const end = lineEnd(block, at);
      const found = table.lookupPlain!(block, at, end);
      if (found === undefined) {
        this.#output.write(out.take());
        await this.#texts(block.subarray(at, end));
      } else if (found !== "absent") {
        this.#found++;
        out.addLine(block, at, end, separator, found);
      }
      at = end + 1;
    }
    this.#output.write(out.take());
  }

  async #texts(block: Buffer): Promise<void> {
    const { encoding, style } = this.#run;
    let out = "";
    for (const key of block.toString(encoding).replace(/\n$/, "").split("\n")) {
      const answer = this.#tables.quick(key);
      if (answer === undefined) {
        this.#output.write(Buffer.from(out, encoding));
        out = "";
        await this.all([Buffer.from(key, encoding)]);
      } else if (answer.is === "found") {
        this.#found++;
        out += `${key}${style.separator}${answer.value}\n`;
      }
    }
    this.#output.write(Buffer.from(out, encoding));
  }

  finish(): number {
    this.#output.flush();
    return this.#found > 0 ? 0 : 1;
  }

  close(): void {
    this.#tables.close();
  }
}

function print({ options, style }: ToolRun, output: Output, key: Buffer, hit: Hit): void {
  const { value, table, line } = hit;
  if (options.json) {
    output.write(jsonLine({ ...jsonBytes("key", key), ...jsonBytes("value", value), table, line }));
  } else if (!isStandardInput(options)) output.write(value, "\n");
  else output.write(Buffer.from(key), style.separator, value, "\n");
}
