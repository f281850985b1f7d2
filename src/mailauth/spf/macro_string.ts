/** What a macro stands for (RFC 7208 §7.2). `c`, `r` and `t` are for explanations only. */
export type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "v" | "h" | "c" | "r" | "t";

/** A part of a macro-string (RFC 7208 §7.1). */
export type MacroToken =
  | { readonly is: "text"; readonly text: string }
  /** `%%`, `%_` and `%-`: a percent sign, a blank, and a blank as URLs have it. */
  | { readonly is: "escape"; readonly letter: "%" | "_" | "-" }
  | Macro;

/** `%{d2r-}`: a value, cut at delimiters, some of its right-hand parts, perhaps in reverse. */
export interface Macro {
  readonly is: "macro";
  readonly letter: MacroLetter;
  /** Upper case: what comes of it is escaped as in a URL. */
  readonly escaped: boolean;
  /** Right-hand parts that are kept; undefined: all. */
  readonly parts?: number;
  readonly reversed: boolean;
  /** Where the value is cut; `.` where the macro names none. */
  readonly delimiters: string;
}

/** A macro-string, taken apart. */
export type MacroString = readonly MacroToken[];

/** Why a text does not follow a grammar. */
export interface Fault {
  readonly fault: string;
}

// Letters are those of ABNF, upper case and lower case (RFC 7208 §12).
const MACRO = /%\{([slodipvhcrt])(\d*)(r?)([-.+,/_=]*)\}/iy;
const LITERAL = /[\x21-\x24\x26-\x7e]+/y;
const EXPLANATION_LITERAL = /[\x20-\x24\x26-\x7e]+/y;

/** Longest text that a fault repeats. */
const MAX_SHOWN = 60;

/** A text from a record, for a fault: cut, and on one line. */
export function quoted(text: string): string {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return `"${shown.replace(/[^\x20-\x7e]/g, "?")}"`;
}

/** The letters that a macro-string may have: an unknown modifier's may be any (RFC 7208 §6, §7.2). */
export type Letters = "any" | "no c, r, t";

/** Reads a macro-string (RFC 7208 §12). */
export function parseMacroString(text: string, letters: Letters = "any"): MacroString | Fault {
  return tokens(text, LITERAL, letters);
}

/** Reads an explanation: macro-strings and blanks (RFC 7208 §12, explain-string). */
export function parseExplanation(text: string): MacroString | Fault {
  return tokens(text, EXPLANATION_LITERAL, "any");
}

/** Reads a domain-spec: a macro-string that ends in a macro or in a top-level label (RFC 7208 §7.1). */
export function parseDomainSpec(text: string): MacroString | Fault {
  if (text === "") return { fault: "no domain" };
  const parsed = parseMacroString(text, "no c, r, t");
  if ("fault" in parsed) return parsed;
  const last = parsed.at(-1);
  if (last?.is === "text" && !endsInTopLabel(last.text)) {
    return { fault: `${quoted(text)} does not end in a domain` };
  }
  return parsed;
}

/** domain-end: a dot, a label that is not all digits, and perhaps another dot (RFC 7208 §7.1). */
function endsInTopLabel(text: string): boolean {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  const dot = name.lastIndexOf(".");
  const label = name.slice(dot + 1);
  return dot >= 0 && /^[a-z0-9-]+$/i.test(label) && !/^-|-$|^\d+$/.test(label);
}

function tokens(text: string, literal: RegExp, letters: Letters): MacroString | Fault {
  const found: MacroToken[] = [];
  for (let at = 0; at < text.length;) {
    const token = tokenAt(text, at, literal);
    if (token === undefined) return { fault: `bad character or macro at ${quoted(text.slice(at))}` };
    if (letters !== "any" && token.token.is === "macro" && /[crt]/.test(token.token.letter)) {
      return { fault: `macro %{${token.token.letter}} is for explanations only` };
    }
    found.push(token.token);
    at = token.end;
  }
  return found;
}

function tokenAt(
  text: string,
  at: number,
  literal: RegExp,
): { readonly token: MacroToken; readonly end: number } | undefined {
  if (text[at] !== "%") {
    literal.lastIndex = at;
    const plain = literal.exec(text);
    return plain === null ? undefined : { token: { is: "text", text: plain[0] }, end: literal.lastIndex };
  }
  const letter = text[at + 1];
  if (letter === "%" || letter === "_" || letter === "-") {
    return { token: { is: "escape", letter }, end: at + 2 };
  }
  MACRO.lastIndex = at;
  const match = MACRO.exec(text);
  const macro = match === null ? undefined : macroOf(match);
  return macro === undefined ? undefined : { token: macro, end: MACRO.lastIndex };
}

/** A number of parts has to be one at least (RFC 7208 §7.3); a value has never more than this many. */
const MOST_PARTS = 9999;

function macroOf(
  [, letter = "", digits = "", reversed = "", delimiters = ""]: RegExpExecArray,
): Macro | undefined {
  const parts = digits === "" ? undefined : Math.min(Number(digits), MOST_PARTS);
  if (parts === 0) return undefined;
  const lower = letter.toLowerCase();
  return {
    is: "macro",
    letter: lower as MacroLetter, // the expression lets no other through
    escaped: lower !== letter,
    ...(parts !== undefined && { parts }),
    reversed: reversed !== "",
    delimiters: delimiters === "" ? "." : delimiters,
  };
}

/** A macro-string as text: `parseMacroString` reads the same from it. */
export function printMacroString(parsed: MacroString): string {
  return parsed.map((token) => {
    switch (token.is) {
      case "text":
        return token.text;
      case "escape":
        return `%${token.letter}`;
      case "macro":
        return printMacro(token);
    }
  }).join("");
}

function printMacro({ letter, escaped, parts, reversed, delimiters }: Macro): string {
  const shown = escaped ? letter.toUpperCase() : letter;
  return `%{${shown}${parts ?? ""}${reversed ? "r" : ""}${delimiters === "." ? "" : delimiters}}`;
}

/** Whether a macro-string asks for the client's validated name, which takes lookups to find. */
export function needsClientName(parsed: MacroString): boolean {
  return parsed.some((token) => token.is === "macro" && token.letter === "p");
}
