import { foldFields } from "../message/fold_field.ts";
import { printField } from "../message/header.ts";

/** Bytes of header that are kept; no honest one comes near this. */
const MOST = 262_144;

const nameOf = (field: string) => field.slice(0, field.indexOf(":")).trimEnd().toLowerCase();

/** The header of a message that can still change: fields as whole lines in wire form, one character a byte. */
export class Head {
  readonly #fields: string[] = [];
  #size = 0;
  #isFull = false;
  readonly #lineLimit: number;

  /** Longer lines are folded, whoever puts them in; 0: none are. */
  constructor(lineLimit: number) {
    this.#lineLimit = lineLimit;
  }

  get size(): number {
    return this.#size;
  }

  /** From the top; each ends in CR LF. */
  get fields(): readonly string[] {
    return this.#fields;
  }

  /** Takes a field as the last one; false when the header is endless, and from then on: it is kept elsewhere. */
  take(given: string): boolean {
    const field = foldFields(given, this.#lineLimit);
    this.#isFull ||= this.#size + field.length > MOST;
    if (!this.#isFull && field !== "") this.#fields.push(field);
    if (!this.#isFull) this.#size += field.length;
    return !this.#isFull;
  }

  /** 0 is the top. */
  insert(at: number, field: string): void {
    this.#put(Math.min(at, this.#fields.length), 0, this.#print(field));
  }

  append(field: string): void {
    this.#put(this.#fields.length, 0, this.#print(field));
  }

  /** The first `without` fields do not count. */
  change(name: string, nth: number, field: string, without = 0): boolean {
    const at = this.#find(name, nth, without);
    if (at >= 0) this.#put(at, 1, this.#print(field));
    return at >= 0;
  }

  delete(name: string, nth: number, without = 0): boolean {
    const at = this.#find(name, nth, without);
    if (at >= 0) this.#put(at, 1);
    return at >= 0;
  }

  #print(field: string): string {
    return foldFields(printField(field), this.#lineLimit);
  }

  #put(at: number, without: number, ...fields: string[]): void {
    for (const gone of this.#fields.splice(at, without, ...fields)) this.#size -= gone.length;
    for (const field of fields) this.#size += field.length;
  }

  #find(name: string, nth: number, without: number): number {
    const wanted = name.toLowerCase();
    let seen = 0;
    return this.#fields.findIndex((field, at) => at >= without && nameOf(field) === wanted && ++seen === nth);
  }

  /** All of it, as bytes. */
  get bytes(): Buffer {
    return Buffer.from(this.#fields.join(""), "latin1");
  }
}
