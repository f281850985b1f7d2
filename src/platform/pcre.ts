import { dlopen, type Pointer, ptr, toArrayBuffer } from "bun:ffi";

/** Flags of a pattern, as pcre_table(5) names them. */
export interface PcreFlags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
  /** Anchored. */
  readonly A: boolean;
  /** `$` only at the very end. */
  readonly E: boolean;
  /** Repetitions are lazy unless followed by `?`. */
  readonly U: boolean;
}

/** A pattern compiled by libpcre2. Subjects are bytes, one a character. */
export interface PcrePattern {
  readonly groups: number;
  /** Group texts by number, undefined for no match, a string saying why it gave up. */
  match(subject: string): readonly string[] | undefined | string;
}

const LIBRARIES = ["libpcre2-8.so.0", "libpcre2-8.so"];
/** Bits of pcre2.h. */
const OPTION = { i: 0x8, m: 0x400, s: 0x20, x: 0x80, A: 0x80000000, E: 0x10, U: 0x40000 } as const;
const INFO_CAPTURECOUNT = 4;
const NO_MATCH = -1;
/** Bounds on one match, so that no text can keep us busy: about a tenth of a second at most. */
const MATCH_LIMIT = 1_000_000;
const DEPTH_LIMIT = 100_000;

const open = (name: string) =>
  dlopen(name, {
    pcre2_compile_8: { args: ["ptr", "u64", "u32", "ptr", "ptr", "ptr"], returns: "ptr" },
    pcre2_match_8: { args: ["ptr", "ptr", "u64", "u64", "u32", "ptr", "ptr"], returns: "i32" },
    pcre2_match_data_create_from_pattern_8: { args: ["ptr", "ptr"], returns: "ptr" },
    pcre2_get_ovector_pointer_8: { args: ["ptr"], returns: "ptr" },
    pcre2_match_context_create_8: { args: ["ptr"], returns: "ptr" },
    pcre2_set_match_limit_8: { args: ["ptr", "u32"], returns: "i32" },
    pcre2_set_depth_limit_8: { args: ["ptr", "u32"], returns: "i32" },
    pcre2_pattern_info_8: { args: ["ptr", "u32", "ptr"], returns: "i32" },
    pcre2_jit_compile_8: { args: ["ptr", "u32"], returns: "i32" },
    pcre2_get_error_message_8: { args: ["i32", "ptr", "u64"], returns: "i32" },
    pcre2_code_free_8: { args: ["ptr"], returns: "void" },
    pcre2_match_data_free_8: { args: ["ptr"], returns: "void" },
  }).symbols;

type Address = Pointer | bigint;

interface Library {
  readonly call: ReturnType<typeof open>;
  readonly context: Address;
}

let library: Library | undefined | null;

/** Opens the library once; null where there is none. */
function pcre2(): Library | null {
  if (library !== undefined) return library;
  for (const name of LIBRARIES) {
    try {
      const call = open(name);
      const context = call.pcre2_match_context_create_8(null);
      if (context === null) continue;
      call.pcre2_set_match_limit_8(context, MATCH_LIMIT);
      call.pcre2_set_depth_limit_8(context, DEPTH_LIMIT);
      return library = { call, context };
    } catch { /* the next name, or none at all */ }
  }
  return library = null;
}

function message({ call }: Library, code: number): string {
  const text = Buffer.alloc(256);
  const length = call.pcre2_get_error_message_8(code, ptr(text), text.length);
  return length > 0 ? text.toString("latin1", 0, length) : `error ${code}`;
}

/** Patterns that are no longer used give their memory back. */
const unused = new FinalizationRegistry<() => void>((free) => free());

let subjectBytes = Buffer.alloc(4096);

function matcher(lib: Library, code: Address, data: Address, groups: number): PcrePattern {
  const { call, context } = lib;
  const vector = call.pcre2_get_ovector_pointer_8(data);
  if (vector === null) throw new Error("Cannot use libpcre2: it has no room for groups");
  const places = new BigUint64Array(toArrayBuffer(vector, 0, 16 * (groups + 1)));
  const match = (subject: string) => {
    if (subject.length > subjectBytes.length) subjectBytes = Buffer.alloc(2 * subject.length);
    subjectBytes.write(subject, 0, "latin1");
    const found = call.pcre2_match_8(code, ptr(subjectBytes), subject.length, 0, 0, data, context);
    if (found === NO_MATCH) return undefined;
    if (found < 0) return message(lib, found);
    return groupTexts(subject, places, groups);
  };
  const pattern = { groups, match };
  unused.register(pattern, () => {
    call.pcre2_match_data_free_8(data);
    call.pcre2_code_free_8(code);
  });
  return pattern;
}

/** A group that took no part has the highest number as its place. */
function groupTexts(subject: string, places: BigUint64Array, groups: number): string[] {
  const texts: string[] = [];
  for (let group = 0; group <= groups; group++) {
    const start = Number(places[2 * group]!);
    texts.push(start > subject.length ? "" : subject.slice(start, Number(places[2 * group + 1]!)));
  }
  return texts;
}

/** Compiles a pattern (bytes, one a character); undefined where libpcre2 is not installed. */
export function pcreCompile(
  pattern: string,
  flags: PcreFlags,
): PcrePattern | { readonly error: string; readonly offset: number } | undefined {
  const lib = pcre2();
  if (lib === null) return undefined;
  const bytes = Buffer.from(`${pattern}\0`, "latin1");
  const error = new Int32Array(1);
  const offset = new BigUint64Array(1);
  let options = 0;
  for (const flag of ["i", "m", "s", "x", "A", "E", "U"] as const) if (flags[flag]) options += OPTION[flag];
  const code = lib.call.pcre2_compile_8(ptr(bytes), pattern.length, options, ptr(error), ptr(offset), null);
  if (code === null) return { error: message(lib, error[0]!), offset: Number(offset[0]!) };
  const data = lib.call.pcre2_match_data_create_from_pattern_8(code, null);
  if (data === null) throw new Error("Cannot use libpcre2: out of memory");
  const count = new Uint32Array(1);
  lib.call.pcre2_pattern_info_8(code, INFO_CAPTURECOUNT, ptr(count));
  lib.call.pcre2_jit_compile_8(code, 1);
  return matcher(lib, code, data, count[0]!);
}
