/** Why a text is no host name, in the words of Postfix's valid_hostname; undefined when it is one (RFC 1123, plus `_`). */
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
