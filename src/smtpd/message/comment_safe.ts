/**
 * What a client says of itself, as it may stand in a comment of a header (RFC 5322 §3.2.2): bytes that are not printable ASCII,
 * backslashes and parentheses without a partner become `?`, and what is open at the end is closed.
 */
export function commentSafe(text: string): string {
  let open = 0;
  let safe = "";
  for (const char of Buffer.from(text, "utf8").toString("latin1")) {
    const isLost = char < " " || char > "~" || char === "\\" || (char === ")" && open === 0);
    if (char === "(") open++;
    if (char === ")" && open > 0) open--;
    safe += isLost ? "?" : char;
  }
  return safe + ")".repeat(open);
}
