import { fieldValue, type SignedHeader, unfolded } from "../dkim/canonical_header.ts";
import { withoutOuterSpace } from "../tags/tag_list.ts";

/** Where the three fields of an ARC set stand in the header (RFC 8617 §4.1). */
export interface ArcSet {
  readonly instance: number;
  readonly authenticationResults: number;
  readonly messageSignature: number;
  readonly seal: number;
}

/** The sets of a chain by instance, the first first; none; or why they make no chain. */
export type ArcChain =
  | { readonly is: "none" }
  | { readonly is: "chain"; readonly sets: readonly ArcSet[] }
  | { readonly is: "broken"; readonly why: string; readonly highest: number };

/** Most sets of a chain (RFC 8617 §4.2.1), and most bytes of them: each seal is over all sets below it. */
export const SETS_LIMIT = 50;
const BYTES_LIMIT = 256 * 1024;

const PARTS = [
  ["authenticationResults", "arc-authentication-results"],
  ["messageSignature", "arc-message-signature"],
  ["seal", "arc-seal"],
] as const;

/** Puts together the sets that a header has (RFC 8617 §5.2 steps 1 and 3). */
export function readArcChain(header: SignedHeader): ArcChain {
  const sets = new Map<number, Partial<Record<typeof PARTS[number][0], number>>>();
  if (bytesOf(header) > BYTES_LIMIT) return { is: "broken", why: "too long", highest: SETS_LIMIT };
  let fault: string | undefined;
  for (const [part, name] of PARTS) {
    for (const at of header.placesOf(name)) {
      const instance = instanceOf(header.fields[at]!);
      if (instance === undefined) {
        fault ??= `${name} without a proper i=`;
        continue;
      }
      const set = sets.get(instance) ?? {};
      if (set[part] !== undefined) fault ??= `${name} i=${instance} comes twice`;
      sets.set(instance, { ...set, [part]: at });
    }
  }
  const highest = Math.max(0, ...sets.keys());
  if (fault === undefined && sets.size === 0) return { is: "none" };
  if (sets.size !== highest) fault ??= "a set is missing";
  const whole: ArcSet[] = [];
  for (let instance = 1; fault === undefined && instance <= highest; instance++) {
    const { authenticationResults, messageSignature, seal } = sets.get(instance) ?? {};
    if (authenticationResults === undefined || messageSignature === undefined || seal === undefined) {
      fault = `set ${instance} is not whole`;
    } else whole.push({ instance, authenticationResults, messageSignature, seal });
  }
  return fault === undefined ? { is: "chain", sets: whole } : { is: "broken", why: fault, highest };
}

/** How long all fields of sets are together. */
function bytesOf(header: SignedHeader): number {
  return PARTS.flatMap(([, name]) => header.placesOf(name))
    .reduce((sum, at) => sum + header.fields[at]!.length, 0);
}

/** `i=`: the first tag of ARC-Authentication-Results, any tag of the others. Its white space is not looked at closely here. */
const INSTANCE = /(?:^|;)[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*(?:;|$)/;

function instanceOf(field: string): number | undefined {
  const found = INSTANCE.exec(fieldValue(field));
  const instance = found === null ? 0 : Number(found[1]);
  return instance >= 1 && instance <= SETS_LIMIT ? instance : undefined;
}

/** What an ARC-Authentication-Results field says behind its instance, on one line. */
export function resultsOf(field: string): string {
  const value = fieldValue(field);
  return withoutOuterSpace(unfolded(value.slice(value.indexOf(";") + 1)));
}
