import { asciiDomain } from "./idna.ts";

const ASCII = /^[\x00-\x7f]*$/;

/** Why a text is no host name, in the words of Postfix's valid_hostname; undefined when it is one (RFC 1123 §2.1, plus `_`). */
export function hostnameProblem(name: string): string | undefined {
  const shown = name.slice(0, 100);
  if (name === "") return "empty hostname";
  for (const label of name.split(".")) {
    const problem = labelProblem(label);
    if (problem !== undefined) return `${problem}: ${shown}`;
  }
  if (/^[0-9.]*$/.test(name)) return `numeric hostname: ${shown}`;
  return name.length > 255 ? `bad length ${name.length} for ${shown}...` : undefined;
}

function labelProblem(label: string): string | undefined {
  if (label === "") return "misplaced delimiter";
  const strange = /[^A-Za-z0-9_-]/.exec(label);
  if (strange !== null) return `invalid character ${strange[0].codePointAt(0)}(decimal)`;
  if (label.length > 63) return "hostname label too long";
  return label.startsWith("-") || label.endsWith("-") ? "misplaced hyphen" : undefined;
}

/** Whether a text is a host name of ASCII letters (RFC 1123 §2.1), no IDNA involved. */
export function isAsciiHostname(text: string): boolean {
  // The usual case in one pass: short, no hyphen at an edge of a label, a letter somewhere.
  if (text.length <= 63 && /^(?=[\d.]*[a-z_])[a-z\d_](?:[a-z\d_]|[.-](?=[a-z\d_]))*$/i.test(text)) {
    return true;
  }
  return hostnameProblem(text) === undefined;
}

/** Whether a text is a host name; letters beyond ASCII pass as they are (RFC 6531 §3.3). An all-numeric one is none. */
export function isHostname(name: string): boolean {
  return isAsciiHostname(ASCII.test(name) ? name : name.replace(/[\x80-\uffff]/g, "x"));
}

/** Whether a text is a host name, where names beyond ASCII count by their IDNA form (RFC 5891). */
export function isInternationalHostname(text: string): boolean {
  return isAsciiHostname(asciiDomain(text));
}
