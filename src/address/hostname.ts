import { parseIp } from "./ip.ts";

/** Why a text is no hostname (RFC 1035 §2.3.4, RFC 1123 §2.1), or undefined when it is one. Underscores pass, as in Postfix. */
function hostnameFault(name: string): string | undefined {
  if (name === "") return "empty hostname";
  if (name.length > 255) return "bad length";
  const labels = name.split(".");
  if (labels.some((label) => label === "")) return "misplaced delimiter";
  if (labels.some((label) => label.length > 63)) return "label too long";
  if (/[^\w.\x80-\uffff-]/.test(name)) return "invalid character";
  if (labels.some((label) => label.startsWith("-") || label.endsWith("-"))) return "misplaced hyphen";
  if (/^[\d.]+$/.test(name)) return "numeric hostname";
  return undefined;
}

/** Whether a text is a hostname; an all-numeric one is not. */
export function isHostname(name: string): boolean {
  // The usual case in one pass: short, no hyphen at an edge of a label, a letter somewhere.
  if (name.length <= 63 && /^(?=[\d.]*[a-z_])[a-z\d_](?:[a-z\d_]|[.-](?=[a-z\d_]))*$/i.test(name)) {
    return true;
  }
  return hostnameFault(name) === undefined;
}

/** Whether the text between the brackets of an address literal is an address (RFC 5321 §4.1.3). */
export function isAddressLiteral(inner: string): boolean {
  const v6 = /^ipv6:/i.test(inner);
  const ip = parseIp(v6 ? inner.slice(5) : inner);
  return ip?.family === (v6 ? 6 : 4);
}
