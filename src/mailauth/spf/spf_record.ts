import type { Ip } from "../../address/ip.ts";
import type { MacroString } from "./macro_string.ts";

/** The sign of a directive (RFC 7208 §4.6.2). */
export type Qualifier = "+" | "-" | "~" | "?";

/** How many leading bits have to be the same, by family (RFC 7208 §5.3). */
export interface PrefixLengths {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** What a client is compared with (RFC 7208 §5). Without a target it is the domain of the record. */
export type Mechanism =
  | { readonly is: "all" }
  | { readonly is: "include" | "exists"; readonly target: MacroString }
  | { readonly is: "a" | "mx"; readonly target?: MacroString; readonly lengths: PrefixLengths }
  | { readonly is: "ptr"; readonly target?: MacroString }
  | { readonly is: "ip4" | "ip6"; readonly network: Ip; readonly length: number };

/** A mechanism, and what it means that it matches. */
export interface Directive {
  readonly qualifier: Qualifier;
  readonly mechanism: Mechanism;
  /** As the record has it. */
  readonly text: string;
}

/** An SPF record (RFC 7208 §12). Modifiers that nobody knows are read and forgotten (RFC 7208 §6). */
export interface SpfRecord {
  readonly directives: readonly Directive[];
  readonly redirect?: MacroString;
  readonly explanation?: MacroString;
}
