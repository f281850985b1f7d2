import { splitList } from "../config/syntax/list.ts";
import type { MechanismProperty, OfferedMechanism } from "./auth_backend.ts";

/** What a word of smtpd_sasl_security_options or smtp_sasl_security_options asks of a mechanism: not to be, or to be, something. */
interface Demand {
  readonly property: MechanismProperty;
  readonly wanted: boolean;
}

const DEMANDS: Readonly<Record<string, Demand>> = {
  noplaintext: { property: "plaintext", wanted: false },
  noactive: { property: "active", wanted: false },
  nodictionary: { property: "dictionary", wanted: false },
  noanonymous: { property: "anonymous", wanted: false },
  forward_secrecy: { property: "forward_secrecy", wanted: true },
  mutual_auth: { property: "mutual_auth", wanted: true },
};

/** The words that such a list may have. */
export const SECURITY_OPTIONS: readonly string[] = Object.keys(DEMANDS);

/** Words of such a list that are no option: Postfix does not start with one. */
export function unknownSecurityOptions(text: string): string[] {
  return splitList(text).filter((word) => !Object.hasOwn(DEMANDS, word.toLowerCase()));
}

/** A word that is no option, in words for the operator; undefined when there is none. */
export function badSecurityOptions(name: string, value: string): string | undefined {
  const [word] = unknownSecurityOptions(value);
  return word === undefined
    ? undefined
    : `${name}: unknown value "${word}" in "${value}" (${SECURITY_OPTIONS.join(", ")})`;
}

/** The mechanisms that a list allows. */
export function allowedMechanisms<Mechanism extends OfferedMechanism>(
  mechanisms: readonly Mechanism[],
  options: string,
): Mechanism[] {
  const demands = splitList(options).map((word) => DEMANDS[word.toLowerCase()]).filter((each) =>
    each !== undefined
  );
  return mechanisms.filter(({ properties }) =>
    demands.every(({ property, wanted }) => properties.includes(property) === wanted)
  );
}
