import { isMxPattern } from "./mx_pattern.ts";

/** Whether a policy is enforced, only reported on, or taken back (RFC 8461 §5). */
export type StsMode = "enforce" | "testing" | "none";

/** What a domain demands of whoever sends it mail (RFC 8461 §3.2). */
export interface StsPolicy {
  readonly mode: StsMode;
  /** Names of its mail exchangers; `*.` stands for one label. None at all only with mode `none`. */
  readonly mx: readonly string[];
  /** Seconds that it holds for. */
  readonly maxAge: number;
}

/** Why a text is no policy. */
export interface NoPolicy {
  readonly problem: string;
}

/** A year, the longest that a policy may hold for (RFC 8461 §3.2). */
export const LONGEST_AGE = 31_557_600;
/** Patterns of one policy that are kept; a longer list is nobody's. */
export const MOST_PATTERNS = 100;

/** Reads a policy. Lines end with CR LF or LF; keys that are not known are passed over, and of a key that comes twice the first counts. */
export function parseStsPolicy(text: string): StsPolicy | NoPolicy {
  const first = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const field = FIELD.exec(line);
    if (field === null) {
      if (line.trim() === "") continue;
      return { problem: `bad line "${line.slice(0, 60)}"` };
    }
    const [, key = "", value = ""] = field;
    if (key === "mx") mx.push(value);
    else if (!first.has(key)) first.set(key, value);
  }
  return policyOf(first, mx);
}

/** A key of letters, digits, `_`, `-`, `.`, and a value up to the blanks at the end. */
const FIELD = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*$/;

function policyOf(fields: ReadonlyMap<string, string>, mx: readonly string[]): StsPolicy | NoPolicy {
  const [version, mode, age = ""] = ["version", "mode", "max_age"].map((key) => fields.get(key));
  if (version !== "STSv1") return { problem: `version is ${shown(version)}, not STSv1` };
  if (mode !== "enforce" && mode !== "testing" && mode !== "none") {
    return { problem: `mode is ${shown(mode)}, not enforce, testing or none` };
  }
  const maxAge = Number(age);
  if (!/^\d{1,10}$/.test(age) || maxAge > LONGEST_AGE) {
    return {
      problem: `max_age is ${shown(fields.get("max_age"))}, not a number of seconds up to ${LONGEST_AGE}`,
    };
  }
  if (mx.length > MOST_PATTERNS) return { problem: `more than ${MOST_PATTERNS} mx` };
  const bad = mx.find((pattern) => !isMxPattern(pattern));
  if (bad !== undefined) return { problem: `mx ${shown(bad)} is no host name` };
  if (mx.length === 0 && mode !== "none") return { problem: "mx is missing" };
  return { mode, mx: mx.map((pattern) => pattern.toLowerCase()), maxAge };
}

function shown(value: string | undefined): string {
  return value === undefined ? "missing" : `"${value.slice(0, 60)}"`;
}

/** The policy as its domain serves it. */
export function printStsPolicy(policy: StsPolicy): string {
  return stsPolicyLines(policy).map((line) => `${line}\r\n`).join("");
}

/** Its lines, as reports quote them (RFC 8460 §4.4). */
export function stsPolicyLines({ mode, mx, maxAge }: StsPolicy): readonly string[] {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((pattern) => `mx: ${pattern}`), `max_age: ${maxAge}`];
}
