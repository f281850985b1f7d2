/** How long a build may take without a word, and how often it says a new one, in milliseconds. */
const TIME_LIMIT = 1000;
const EVERY = 200;

/** Tells a person at a terminal how far a long build is, on one line that is gone at the end. */
export class Progress {
  readonly #program: string;
  readonly #clock: () => number;
  /** Undefined where nobody looks. */
  readonly #write: ((text: string) => void) | undefined;
  #file = "";
  #began: number;
  #said: number;
  #records = 0;
  #width = 0;

  constructor(program: string, clock: () => number, write: ((text: string) => void) | undefined) {
    this.#program = program;
    this.#clock = clock;
    this.#write = write;
    this.#began = this.#said = clock();
  }

  /** A table's turn: time counts from here. */
  begin(file: string): void {
    this.clear();
    this.#file = file;
    this.#began = this.#said = this.#clock();
    this.#records = 0;
  }

  /** So many records have been taken from the source. */
  records(count: number): void {
    this.#records = count;
    this.#say((seconds) => `${Math.round(count / seconds).toLocaleString("en")}/s`);
  }

  /** So many bytes of the table have been written. */
  written(bytes: number): void {
    this.#say(() => `writing, ${(bytes / 1e6).toFixed(0)} MB`);
  }

  #say(what: (seconds: number) => string): void {
    if (this.#write === undefined) return;
    const now = this.#clock();
    if (now - this.#began < TIME_LIMIT || now - this.#said < EVERY) return;
    this.#said = now;
    const count = this.#records.toLocaleString("en");
    const line = `${this.#program}: ${this.#file}: ${count} records, ${what((now - this.#began) / 1000)}`;
    this.#write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Takes the line off the screen, before something else is written there. */
  clear(): void {
    if (this.#width > 0) this.#write?.(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }
}
