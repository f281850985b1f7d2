/** A name as `a=` and `n=` write it: `,` and `=` would end it (RFC 5801 §4, RFC 5802 §5.1). */
export function encodeName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** The name that is meant; undefined for what encodes none. */
export function decodeName(text: string): string | undefined {
  if (/[,\0]|=(?!2C|3D)/.test(text)) return undefined;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
