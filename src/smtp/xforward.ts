import { encodeXtext } from "./xtext.ts";

/** Attributes of XFORWARD (XFORWARD_README), in the order in which a server offers them. */
export const XFORWARD_ATTRIBUTES = ["NAME", "ADDR", "PROTO", "HELO", "SOURCE", "PORT", "IDENT"] as const;

/** One of them. */
export type XforwardAttribute = (typeof XFORWARD_ATTRIBUTES)[number];

/** Groups in which attributes are sent, so that no command gets too long. */
const GROUPS: readonly (readonly XforwardAttribute[])[] = [
  ["NAME", "ADDR", "PORT"],
  ["PROTO", "HELO", "IDENT", "SOURCE"],
];

/** XFORWARD commands for the values that are known and that a server takes; none when there are none. */
export function printXforward(
  values: Readonly<Partial<Record<XforwardAttribute, string>>>,
  offered: readonly string[],
): string[] {
  return GROUPS.map((group) => group.map((name) => attribute(name, values[name], offered)).join(""))
    .filter((attributes) => attributes !== "").map((attributes) => `XFORWARD${attributes}\r\n`);
}

function attribute(name: string, value: string | undefined, offered: readonly string[]): string {
  return value === undefined || !offered.includes(name) ? "" : ` ${name}=${encodeXtext(value)}`;
}
