import type { ErrorClass } from "../smtp/error_class.ts";
import type { Refused, Subject, Verdict } from "./restriction.ts";

/** Nothing to say. */
export const DUNNO: Verdict = { is: "dunno" };

/** Nothing to say but that something is wrong with the configuration. */
export function warned(...warnings: string[]): Verdict {
  return { is: "dunno", warnings };
}

/** The verdict with further warnings before its own. */
export function withWarnings(verdict: Verdict, warnings: readonly string[]): Verdict {
  return warnings.length === 0 ? verdict : { ...verdict, warnings: [...warnings, ...verdict.warnings ?? []] };
}

/** A refusal with its parts. */
export function reject(code: number, status: string, text: string, errorClass?: ErrorClass): Refused {
  return { is: "reject", refusal: { code, status, text, ...(errorClass !== undefined && { errorClass }) } };
}

/** `<name>: Class rejected: why`. */
export function rejectedText(subject: Subject, why: string): string {
  return `<${subject.name}>: ${subject.class} rejected: ${why}`;
}

/** Postfix's answer to a configuration that cannot be evaluated; the warnings say what is wrong with it. */
export function serverError(...warnings: string[]): Refused {
  const refusal = {
    code: 451,
    status: "4.3.5",
    text: "Server configuration error",
    errorClass: "software",
  } as const;
  return { is: "reject", refusal, warnings };
}

/** Postfix's answer when a lookup could not be done now. */
export function lookupFailure(name: string, ...warnings: string[]): Refused {
  const text = `<${name}>: Temporary lookup failure`;
  const refusal = { code: 451, status: "4.3.0", text, errorClass: "data" } as const;
  return { is: "reject", refusal, warnings };
}
