import type { AuthProperty, AuthResult } from "../auth_result.ts";
import { FieldScanner } from "./field_scanner.ts";

/** An Authentication-Results field, or what stands behind `i=N;` of ARC-Authentication-Results. */
export interface ParsedResults {
  readonly authservId: string;
  readonly results: readonly AuthResult[];
}

/** Of one field, and of one result. */
const RESULTS = 100;
const PROPERTIES = 30;

/** A value of a property ends there: what is no token must not be quoted where it is an address (pvalue). */
const VALUE_END = /[\s;()"]/;
const TYPES = ["smtp", "header", "body", "policy"] as const;

/** Parses the value of a field, folded or not (RFC 8601 §2.2); undefined where it is none. Comments are passed over. */
export function parseResults(text: string): ParsedResults | undefined {
  const scanner = new FieldScanner(text);
  scanner.skip();
  const authservId = scanner.value();
  if (authservId === undefined) return undefined;
  scanner.skip();
  const version = scanner.word();
  if (version !== undefined && version !== "1") return undefined;
  const results = readAll(scanner);
  return results === undefined || scanner.isBroken ? undefined : { authservId, results };
}

function readAll(scanner: FieldScanner): AuthResult[] | undefined {
  const results: AuthResult[] = [];
  scanner.skip();
  while (!scanner.isAtEnd) {
    if (!scanner.sign(";")) return undefined;
    scanner.skip();
    // A semicolon too many at the end is usual.
    if (scanner.isAtEnd) break;
    const result = readResult(scanner);
    if (result === undefined || results.length >= RESULTS) return undefined;
    if (result !== "none") results.push(result);
    scanner.skip();
  }
  return results;
}

function readResult(scanner: FieldScanner): AuthResult | "none" | undefined {
  const method = scanner.word()?.toLowerCase();
  scanner.skip();
  if (scanner.sign("/")) {
    scanner.skip();
    if (scanner.word() !== "1") return undefined;
    scanner.skip();
  }
  if (method === undefined) return undefined;
  if (!scanner.sign("=")) return method === "none" ? "none" : undefined;
  scanner.skip();
  const result = scanner.word()?.toLowerCase();
  return result === undefined ? undefined : readProperties(scanner, { method, result });
}

function readProperties(
  scanner: FieldScanner,
  { method, result }: Pick<AuthResult, "method" | "result">,
): AuthResult | undefined {
  const properties: AuthProperty[] = [];
  let reason: string | undefined;
  scanner.skip();
  for (let word = scanner.word(/[\s;()"=.]/); word !== undefined; word = scanner.word(/[\s;()"=.]/)) {
    const name = word.toLowerCase();
    scanner.skip();
    const property = scanner.sign(".") ? readName(scanner) : "";
    scanner.skip();
    if (property === undefined || !scanner.sign("=")) return undefined;
    scanner.skip();
    const value = scanner.value(VALUE_END);
    if (value === undefined || properties.length >= PROPERTIES) return undefined;
    const type = TYPES.find((each) => each === name);
    if (property === "" && name === "reason") reason = value;
    // Of an unknown type there is nothing to say (RFC 8601 §2.2).
    else if (type !== undefined && property !== "") properties.push({ type, name: property, value });
    scanner.skip();
  }
  return { method, result, properties, ...(reason !== undefined && { reason }) };
}

function readName(scanner: FieldScanner): string | undefined {
  scanner.skip();
  return scanner.word(/[\s;()"=]/)?.toLowerCase();
}
